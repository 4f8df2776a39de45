"""The bus on NATS JetStream."""

import asyncio
import logging
import re
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from nats.aio.client import Client
from nats.errors import Error as NatsError

from streams.broker_binary import check_version, parse_version
from streams.bus import HEADER_ID, KeyEntry, Subscription, WorkQueue
from streams.direct_client import DirectClient
from streams.errors import BrokerError, BusError
from streams.headers import block_of
from streams.jetstream import JetStream
from streams.limits import WORK_ACK_WAIT_S
from streams.nats_plain import PlainSubscription
from streams.nats_queue import NatsWorkQueue
from streams.nats_store import NatsStore
from streams.publisher import Publisher
from streams.pull_loop import PullLoop
from streams.wildcard import check_subject

CONNECT_TIMEOUT_S = 10.0
RECONNECT_WAIT_S = 0.25
PING_INTERVAL_S = 1.5
PINGS_UNANSWERED_MAX = 2
ERRORS_KEPT_MAX = 64
FLUSH_TIMEOUT_S = 120.0
SUBJECTS_KNOWN_MAX = 65_536
UTF_8_BYTES_MAX = 4

logger = logging.getLogger(__name__)
_REFUSED = re.compile(r"permissions violation for publish to \"([^\"]+)\"", re.IGNORECASE)
_SECRET = re.compile(r"//[^/@\s]+@")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class _Part(Protocol):
    async def open(self) -> None: ...

    async def close(self) -> None: ...


P = TypeVar("P", bound=_Part)


class NatsBus:
    """A `streams.bus.Bus` over one connection. Made by `connect`.

    `errors` keeps the last things that went wrong beside a call: dropped messages, refused
    publishes, lost connections.
    """

    def __init__(self, name: str, ack_wait_s: float) -> None:
        self.errors: deque[str] = deque(maxlen=ERRORS_KEPT_MAX)
        self.reconnects = 0
        self._name = name
        self._ack_wait_s = ack_wait_s
        self._connection = DirectClient()
        self._jetstream = JetStream(self._connection)
        self._publisher = Publisher(self._connection, self._why)
        self._store = NatsStore(self._connection.jetstream(), self._jetstream)
        self._readers: set[PullLoop] = set()
        self._others: set[PlainSubscription | NatsWorkQueue] = set()
        self._closed = False

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        name: str = "assay",
        credentials: Path | None = None,
        nkey_seed: Path | None = None,
        inbox_prefix: str = "_INBOX",
        ack_wait_s: float = WORK_ACK_WAIT_S,
        timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> "NatsBus":
        """Connect to the server at `url` (several with commas); reconnect for ever after.

        `name` begins the names of the consumers this bus makes: letters, digits, `-`, `_`.
        With `inbox_prefix` of its own a role need not be allowed to hear the others' answers.
        Raises BrokerError when no server answers within `timeout_s` or it is too old.
        """
        if not _NAME.fullmatch(name):
            raise BusError(f"a bus is named by letters, digits, - and _, was {name!r}")
        bus = cls(name, ack_wait_s)
        options = {
            "user_credentials": str(credentials) if credentials else None,
            "nkeys_seed": str(nkey_seed) if nkey_seed else None,
            "inbox_prefix": inbox_prefix,
        }
        await bus._open(url, options, timeout_s)
        return bus

    @property
    def connection(self) -> Client:
        """The connection, for provisioning and for tests."""
        return self._connection

    @property
    def jetstream(self) -> JetStream:
        """The JetStream calls of this connection."""
        return self._jetstream

    @property
    def connected(self) -> bool:
        """Whether the server answers at the moment."""
        return self._connection.is_connected

    async def publish(
        self,
        subject: str,
        payload: bytes,
        *,
        msg_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """Store a message durably and return its stream sequence.

        With a `msg_id` it is tried again, under that id, for GIVE_UP_S seconds; without one a
        lost acknowledgement raises BusError, for the message may be stored.
        """
        stored: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._submit(subject, payload, msg_id, headers, stored)
        return await stored

    async def send(
        self,
        subject: str,
        payload: bytes,
        *,
        msg_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Store a message behind the earlier ones without waiting for the acknowledgement."""
        while self._publisher.is_full:
            await self._publisher.wait_for_change()
        try:
            self._submit(subject, payload, msg_id, headers)
        except BusError as error:
            self._publisher.note_failure(error)
            if self._closed:
                raise

    async def flush(self) -> None:
        """Return when everything sent is acknowledged; raises BusError for what was not."""
        publisher = self._publisher
        try:
            async with asyncio.timeout(FLUSH_TIMEOUT_S):
                while publisher.sends:
                    await publisher.wait_for_change()
        except TimeoutError:
            raise BusError(
                f"{publisher.sends} messages are unacknowledged after {FLUSH_TIMEOUT_S:.0f} s"
            ) from None
        if publisher.failed:
            failed, reason = publisher.failed, publisher.reasons[0]
            publisher.failed = 0
            publisher.reasons.clear()
            raise BusError(f"{failed} of the messages sent were not stored: {reason}")

    async def read(
        self, stream: str, start_seq: int = 1, subjects: tuple[str, ...] = ()
    ) -> Subscription:
        """Read `stream` in order from `start_seq`, acknowledging nothing."""
        self._check_open()
        loop = PullLoop(self._connection, self._jetstream, stream, start_seq, subjects, self._name)
        self._readers.add(loop)
        return await self._opened(loop)

    async def last_seq(self, stream: str, subjects: tuple[str, ...] = ()) -> int:
        """Return the sequence of the newest message of `stream`, or of those on `subjects`."""
        if not subjects:
            return (await self._jetstream.stream_state(stream)).last_seq
        found = [self._jetstream.last_seq_of(stream, subject) for subject in subjects]
        return max(await asyncio.gather(*found))

    async def incarnation(self, stream: str) -> str:
        """Return a token that changes when the stream is made anew."""
        return (await self._jetstream.stream_state(stream)).incarnation

    async def publish_plain(self, subject: str, payload: bytes) -> None:
        """Publish at most once, to whoever listens now."""
        _check(subject)
        self._check_open()
        try:
            await self._connection.publish(subject, payload)
        except NatsError as error:
            raise BusError(f"publishing on {subject!r} failed: {error}") from None

    async def subscribe_plain(self, subject: str) -> Subscription:
        """Listen to `subject` (wildcards allowed) from now on, at most once."""
        self._check_open()
        subscription = PlainSubscription(self._connection, subject)
        self._others.add(subscription)
        return await self._opened(subscription)

    async def work_queue(self, stream: str, worker: str) -> WorkQueue:
        """Take part in the work queue `stream` under the durable name `worker`."""
        self._check_open()
        queue = NatsWorkQueue(self._connection, self._jetstream, stream, worker, self._ack_wait_s)
        self._others.add(queue)
        return await self._opened(queue)

    async def key_get(self, bucket: str, key: str) -> KeyEntry | None:
        """Return a key's value and revision, or None."""
        return await self._store.key_get(bucket, key)

    async def key_put(
        self, bucket: str, key: str, value: bytes, *, expected: int | None = None
    ) -> int:
        """Write a key and return its revision; raises ConflictError."""
        return await self._store.key_put(bucket, key, value, expected)

    async def keys(self, bucket: str) -> list[str]:
        """Return the keys of a bucket, sorted."""
        return await self._store.keys(bucket)

    async def object_put(self, bucket: str, name: str, data: bytes) -> None:
        """Store an object under a content-addressed name; an existing one is left alone."""
        await self._store.object_put(bucket, name, data)

    async def object_get(self, bucket: str, name: str) -> bytes | None:
        """Return an object's bytes, or None."""
        return await self._store.object_get(bucket, name)

    async def close(self) -> None:
        """Flush, then close every subscription and the connection."""
        if self._closed:
            return
        try:
            if self._connection.is_connected:
                await self.flush()
        finally:
            self._closed = True
            for part in (*self._readers, *self._others):
                await part.close()
            await self._publisher.close()
            await self._connection.close()
            await self._connection.end_reconnecting()
        # What was sent while the server was away has failed only now.
        await self.flush()

    async def _open(self, url: str, options: dict[str, Any], timeout_s: float) -> None:
        servers = [part.strip() for part in url.split(",") if part.strip()]
        try:
            async with asyncio.timeout(timeout_s):
                await self._connection.connect(
                    servers,
                    name=self._name,
                    error_cb=self._on_error,
                    disconnected_cb=self._on_disconnected,
                    reconnected_cb=self._on_reconnected,
                    closed_cb=self._on_closed,
                    connect_timeout=2,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]
                    ping_interval=PING_INTERVAL_S,  # type: ignore[arg-type]
                    max_outstanding_pings=PINGS_UNANSWERED_MAX,
                    **options,
                )
        except (TimeoutError, OSError, NatsError, ValueError) as error:
            await self._connection.close()
            reason = self.errors[-1] if self.errors else str(error) or "no answer"
            raise BrokerError(
                f"no NATS server can be used at {_without_secrets(url)} "
                f"(waited {timeout_s:.0f} s): {reason}"
            ) from None
        try:
            version = parse_version(str(self._connection.connected_server_version))
            check_version(version, f"the server at {_without_secrets(url)}")
        except BrokerError:
            await self._connection.close()
            raise
        await self._publisher.open()

    def _submit(
        self,
        subject: str,
        payload: bytes,
        msg_id: str | None,
        extra: Mapping[str, str] | None,
        stored: "asyncio.Future[int] | None" = None,
    ) -> None:
        _check(subject)
        self._check_open()
        block = block_of(extra, msg_id)
        # A server closes the connection at a message that is too large, headers and all.
        size = len(payload) + len(block) * (1 if block.isascii() else UTF_8_BYTES_MAX)
        has_id = msg_id is not None or HEADER_ID in (extra or ())
        if size > self._connection.max_payload:
            raise BusError(
                f"the message for {subject!r} has {size} bytes, "
                f"at most {self._connection.max_payload}"
            )
        self._publisher.submit(subject, payload, block, has_id, stored)

    async def _opened(self, part: P) -> P:
        try:
            await part.open()
        except NatsError as error:
            await part.close()
            raise BusError(f"the server refused: {error}") from None
        except BusError:
            await part.close()
            raise
        return part

    def _check_open(self) -> None:
        if self._closed:
            raise BusError("the bus is closed")
        if self._connection.is_closed:
            raise BusError(f"the server ended the connection for good{self._why()}")

    def _why(self) -> str:
        return f"; the last error was: {self.errors[-1]}" if self.errors else ""

    async def _on_error(self, error: Exception) -> None:
        text = _without_secrets(f"{type(error).__name__}: {error}")
        if not self.errors or self.errors[-1] != text:
            logger.warning("%s: %s", self._name, text)
        self.errors.append(text)
        refused = _REFUSED.search(text)
        if refused is not None:
            self._publisher.refuse(refused.group(1), text)

    async def _on_disconnected(self) -> None:
        self._publisher.offline()
        self._jetstream.interrupt()
        self._store.interrupt()
        # What nats-py still holds would go out before the older messages that are sent again.
        self._connection._pending = []
        self._connection._pending_data_size = 0

    async def _on_reconnected(self) -> None:
        self.reconnects += 1
        logger.info("%s: connected again", self._name)
        self._publisher.online()
        for reader in self._readers:
            reader.reconnected()

    async def _on_closed(self) -> None:
        if self._closed:
            return
        await self._publisher.close()
        for reader in self._readers:
            reader.end(f"the server ended the connection for good{self._why()}")
        for other in self._others:
            if isinstance(other, PlainSubscription):
                other.end()


@lru_cache(maxsize=SUBJECTS_KNOWN_MAX)
def _check(subject: str) -> None:
    try:
        check_subject(subject)
    except ValueError as error:
        raise BusError(str(error)) from None


def _without_secrets(text: str) -> str:
    return _SECRET.sub("//", text)
