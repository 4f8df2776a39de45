"""Acknowledged publishing over NATS: pipelined, in order, tried again with the same id.

nats-py's own asynchronous publish never times out and forgets what was in flight when the
connection went. Here every message is kept until its acknowledgement comes: after a
reconnect, or when an acknowledgement is late, everything unacknowledged that carries an id is
sent again in order, and the stream drops what it already has.
"""

import asyncio
import itertools
from collections.abc import Callable, Mapping

import msgspec
from nats.errors import Error as NatsError

from streams.bus import HEADER_ID
from streams.direct_client import DirectClient
from streams.errors import BusError
from streams.waiting import wait_until_set

ACK_WAIT_S = 5.0
GIVE_UP_S = 60.0
NO_STREAM_GRACE_S = 3.0
TICK_S = 0.25
ATTEMPTS_MAX = 100
_TEMPORARILY_UNAVAILABLE = 10008


Settled = Callable[[int, BusError | None], None]
"""Told once what became of a message: its stream sequence, or 0 and why it was not stored."""


class _ApiError(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = "no reason given"


class _PubAck(msgspec.Struct):
    seq: int = 0
    error: _ApiError | None = None


class Sent:
    """One message on its way; `settled` is told what becomes of it."""

    __slots__ = ("attempts", "begun_at", "headers", "payload", "sent_at", "settled", "subject")

    def __init__(
        self,
        subject: str,
        payload: bytes,
        headers: dict[str, str] | None,
        now: float,
        settled: Settled,
    ) -> None:
        self.subject = subject
        self.payload = payload
        self.headers = headers
        self.begun_at = now
        self.sent_at = now
        self.attempts = 0
        self.settled = settled

    @property
    def repeatable(self) -> bool:
        """Whether sending it again cannot store it twice."""
        return self.attempts == 0 or (self.headers is not None and HEADER_ID in self.headers)


class Publisher:
    """Keeps what is unacknowledged, by token, in the order in which it was given."""

    def __init__(self, connection: DirectClient, why: Callable[[], str]) -> None:
        self._connection = connection
        self._why = why
        self._loop = asyncio.get_running_loop()
        self._decode = msgspec.json.Decoder(_PubAck).decode
        self._pending: dict[str, Sent] = {}
        self._tokens = itertools.count()
        self._inbox = ""
        self._online = True
        self._connections = 1
        self._reconnected_at = -NO_STREAM_GRACE_S
        self._wake = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._pending)

    async def open(self) -> None:
        """Listen for acknowledgements."""
        self._inbox = self._connection.new_inbox() + "."
        await self._connection.listen(self._inbox + "*", self._on_ack)
        self._keeper = asyncio.create_task(self._keep())

    async def submit(
        self, subject: str, payload: bytes, headers: dict[str, str] | None, settled: Settled
    ) -> None:
        """Send a message behind all earlier ones; `settled` is told what becomes of it."""
        token = format(next(self._tokens), "x")
        sent = Sent(subject, payload, headers, self._loop.time(), settled)
        self._pending[token] = sent
        if self._online and self._connection.is_connected:
            await self._write(token, sent)

    def offline(self) -> None:
        """Hold everything back: the connection is gone."""
        self._online = False
        self._connections += 1

    def online(self) -> None:
        """Send what is unacknowledged: the connection is back."""
        self._reconnected_at = self._loop.time()
        self._wake.set()

    def refuse(self, subject: str, reason: str) -> None:
        """Fail what waits for an acknowledgement on `subject`: the server will not give one.

        Case is ignored: nats-py tells the server's words in lower case.
        """
        for token, sent in list(self._pending.items()):
            if sent.subject.lower() == subject.lower():
                self._fail(token, BusError(f"publishing on {sent.subject!r} was refused: {reason}"))

    async def close(self) -> None:
        """Stop; what is still unacknowledged fails."""
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        for token in list(self._pending):
            self._fail(token, BusError("the bus was closed before the acknowledgement came"))

    async def _write(self, token: str, sent: Sent) -> None:
        sent.attempts += 1
        sent.sent_at = self._loop.time()
        try:
            await self._connection.write(
                sent.subject, sent.payload, self._inbox + token, sent.headers
            )
        except NatsError as error:
            self._fail(token, BusError(f"publishing on {sent.subject!r} failed: {error}"))

    def _on_ack(self, subject: str, reply: str, payload: bytes, headers: Mapping[str, str]) -> None:
        token = subject[len(self._inbox) :]
        sent = self._pending.get(token)
        if sent is None:
            return
        if not payload:
            # Nobody listens on the subject. Right after a reconnect the streams may only be
            # on their way, and nothing was stored: the keeper tries again.
            if self._loop.time() - self._reconnected_at < NO_STREAM_GRACE_S:
                sent.attempts = 0
            else:
                self._fail(token, BusError(f"no stream takes the subject {sent.subject!r}"))
            return
        ack = self._decode(payload)
        if ack.error is None:
            del self._pending[token]
            sent.settled(ack.seq, None)
        elif ack.error.err_code != _TEMPORARILY_UNAVAILABLE:
            reason = f"{ack.error.description} (error {ack.error.err_code})"
            self._fail(token, BusError(f"{sent.subject!r} was not stored: {reason}"))

    async def _keep(self) -> None:
        while not self._closed:
            reconnected = await wait_until_set(self._wake, TICK_S)
            self._wake.clear()
            self._give_up()
            if self._connection.is_connected and (reconnected or self._is_late()):
                await self._send_again(reconnected)

    def _is_late(self) -> bool:
        for sent in self._pending.values():
            # The oldest decides: an acknowledgement of a later one would not help it.
            wait_s = TICK_S if sent.attempts == 0 else ACK_WAIT_S
            return self._loop.time() - sent.sent_at > wait_s
        return False

    async def _send_again(self, reconnected: bool) -> None:
        """Send everything unacknowledged in order, then let new messages through."""
        self._online = False
        connections = self._connections
        written: set[str] = set()
        while waiting := [token for token in self._pending if token not in written]:
            for token in waiting:
                # A newer connection begins again from the oldest: order is kept.
                if connections != self._connections or not self._connection.is_connected:
                    return
                written.add(token)
                sent = self._pending.get(token)
                if sent is None:
                    continue
                if sent.repeatable and sent.attempts < ATTEMPTS_MAX:
                    await self._write(token, sent)
                elif reconnected or self._loop.time() - sent.sent_at > ACK_WAIT_S:
                    self._fail(token, self._unknown(sent))
        self._online = True

    def _unknown(self, sent: Sent) -> BusError:
        return BusError(
            f"no acknowledgement came for {sent.subject!r}: it may or may not be stored "
            f"(a msg_id lets it be sent again safely){self._why()}"
        )

    def _give_up(self) -> None:
        now = self._loop.time()
        for token, sent in list(self._pending.items()):
            if now - sent.begun_at <= GIVE_UP_S:
                return
            self._fail(
                token,
                BusError(
                    f"{sent.subject!r} was not acknowledged within {GIVE_UP_S:.0f} s{self._why()}"
                ),
            )

    def _fail(self, token: str, error: BusError) -> None:
        sent = self._pending.pop(token, None)
        if sent is not None:
            sent.settled(0, error)
