"""The few JetStream API calls the bus makes, as JSON over request and reply.

`stream_state`, `make_consumer` and `forget_consumer` need the rights that
`configs` gives a reading role: info of the stream, create and delete of its own consumers.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

from streams.errors import BusError

API = "$JS.API"
TIMEOUT_S = 5.0
_NO_MESSAGE_FOUND = 10037
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class JetStreamError(BusError):
    """The server answered a call with an error; `err_code` is its number."""

    def __init__(self, what: str, error: dict[str, Any]) -> None:
        self.err_code = int(error.get("err_code", 0))
        super().__init__(f"{what}: {error.get('description', 'no reason given')}")


@dataclass(frozen=True, slots=True)
class StreamState:
    """What the bus wants to know of a stream. `incarnation` changes when it is made anew."""

    incarnation: str
    messages: int
    first_seq: int
    last_seq: int
    config: dict[str, Any]
    subjects: tuple[str, ...] = ()


class JetStream:
    """Calls over one connection. Everything raises BusError."""

    def __init__(self, connection: Client) -> None:
        self._connection = connection
        self._calls: set[asyncio.Task[Msg]] = set()

    def interrupt(self) -> None:
        """End the calls under way with BusError: their answers went with the connection."""
        for call in self._calls:
            call.cancel()

    async def call(self, verb: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the server's answer to `$JS.API.<verb>`; an error raises JetStreamError."""
        payload = msgspec.json.encode(body) if body is not None else b""
        try:
            reply = await self._request(f"{API}.{verb}", payload)
        except NoRespondersError:
            raise BusError(f"{verb}: the server has no JetStream, or not yet") from None
        except NatsTimeoutError:
            raise BusError(f"{verb}: no answer within {TIMEOUT_S:.0f} s") from None
        except NatsError as error:
            raise BusError(f"{verb}: {error}") from None
        answer: dict[str, Any] = msgspec.json.decode(reply.data)
        if "error" in answer:
            raise JetStreamError(verb, answer["error"])
        return answer

    async def _request(self, subject: str, payload: bytes) -> Msg:
        call = asyncio.create_task(self._connection.request(subject, payload, timeout=TIMEOUT_S))
        self._calls.add(call)
        try:
            return await call
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is not None and caller.cancelling():
                raise
            raise BusError(f"{subject}: the connection was lost") from None
        finally:
            call.cancel()
            self._calls.discard(call)

    async def stream_state(self, stream: str, subjects_filter: str = "") -> StreamState:
        """Return a stream's state, with the subjects under `subjects_filter` if one is given."""
        subjects: list[str] = []
        while True:
            body = {"subjects_filter": subjects_filter, "offset": len(subjects)}
            answer = await self.call(f"STREAM.INFO.{stream}", body if subjects_filter else None)
            state = answer["state"]
            page = state.get("subjects") or {}
            subjects.extend(page)
            if not page or len(subjects) >= answer.get("total", 0):
                break
        return StreamState(
            incarnation=_incarnation(answer["created"]),
            messages=state["messages"],
            first_seq=state["first_seq"],
            last_seq=state["last_seq"],
            config=answer["config"],
            subjects=tuple(subjects),
        )

    async def last_seq_of(self, stream: str, subject: str) -> int:
        """Return the sequence of a stream's newest message on `subject`, 0 where it holds none."""
        try:
            answer = await self.call(f"STREAM.MSG.GET.{stream}", {"last_by_subj": subject})
        except JetStreamError as error:
            if error.err_code == _NO_MESSAGE_FOUND:
                return 0
            raise
        return int(answer["message"]["seq"])

    async def make_consumer(
        self, stream: str, name: str, config: dict[str, Any], subjects: tuple[str, ...] = ()
    ) -> None:
        """Create a consumer; one that is already there with the same settings is left alone."""
        verb = f"CONSUMER.CREATE.{stream}.{name}"
        if len(subjects) == 1:
            verb += f".{subjects[0]}"
            config = {**config, "filter_subject": subjects[0]}
        elif subjects:
            config = {**config, "filter_subjects": list(subjects)}
        await self.call(verb, {"stream_name": stream, "config": config})

    async def forget_consumer(self, stream: str, name: str) -> None:
        """Delete a consumer if it can be; it would end by itself when nobody asks it."""
        try:
            await self.call(f"CONSUMER.DELETE.{stream}.{name}")
        except BusError:
            return

    @staticmethod
    def next_subject(stream: str, consumer: str) -> str:
        """Return the subject on which a consumer is asked for messages."""
        return f"{API}.CONSUMER.MSG.NEXT.{stream}.{consumer}"


def _incarnation(created: str) -> str:
    """Return the instant a stream was made, in microseconds, as a short token."""
    whole, _, fraction = created.rstrip("Z").partition(".")
    instant = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    micros = (instant - _EPOCH) // timedelta(microseconds=1) + int(fraction[:6].ljust(6, "0") or 0)
    return format(micros, "x")
