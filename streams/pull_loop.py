"""An ordered read of a stream: our own pull loop over NATS.

An ephemeral consumer from a sequence, acknowledging nothing; one inbox; pull requests that
overlap, so that the server never waits for us; idle heartbeats with a deadline. The consumer
counts what it delivers: a number out of turn means that something was lost on the way, and the
consumer is made anew behind the last message taken. The same after a reconnect, when the
server lost the consumer, or when it fell silent. The reader sees neither gap nor repeat.
"""

import asyncio
import itertools
import logging
from typing import Final

import msgspec
from nats.aio.subscription import Subscription as NatsSubscription
from nats.errors import Error as NatsError

from streams.buffer import Buffer
from streams.bus import Message
from streams.direct_client import DirectClient
from streams.errors import BusError
from streams.headers import DESCRIPTION, STATUS, LazyHeaders, headers_in
from streams.jetstream import JetStream, JetStreamError
from streams.waiting import wait_until_set

PULL_MESSAGES: Final = 1024
PULL_BYTES_MIN: Final = 16 * 1024 * 1024
PULL_AGAIN_AT: Final = PULL_MESSAGES // 2
WAITING_MAX: Final = 64
BUFFER_BYTES_MAX: Final = 32 * 1024 * 1024
BUFFER_MESSAGES_MAX: Final = 4 * PULL_MESSAGES
PULL_EXPIRES_S: Final = 30.0
HEARTBEAT_S: Final = 1.0
SILENCE_MAX_S: Final = 3.0
INACTIVE_S: Final = 60.0
RETRY_S: Final = 0.25
_NS: Final = 1_000_000_000
_STREAM_NOT_FOUND: Final = 10059
_NO_HEADERS: Final = LazyHeaders(b"")

logger = logging.getLogger(__name__)


class PullLoop:
    """A `streams.bus.Subscription` on one stream. `open` before use."""

    def __init__(
        self,
        connection: DirectClient,
        jetstream: JetStream,
        stream: str,
        start_seq: int,
        subjects: tuple[str, ...],
        name: str,
    ) -> None:
        self._connection = connection
        self._jetstream = jetstream
        self._stream = stream
        self._next_seq = max(1, start_seq)
        self._subjects = subjects
        self._name = name
        self._generations = itertools.count(1)
        self._loop = asyncio.get_running_loop()
        self._buffer = Buffer()
        self._inbox = connection.new_inbox()
        self._subscription: NatsSubscription | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._incarnation = ""
        self._consumer = ""
        self._consumer_field = b""
        self._delivered = 0
        self._reply = ""
        self._wanted = 0
        self._heard_at = 0.0
        self._broken = asyncio.Event()
        self._error: BusError | None = None
        self._closed = False
        # Two messages of the largest size fit: a request that cannot hold the next message
        # would end without it.
        self._request = msgspec.json.encode(
            {
                "batch": PULL_MESSAGES,
                "max_bytes": max(PULL_BYTES_MIN, 2 * connection.max_payload),
                "expires": int(PULL_EXPIRES_S * _NS),
                "idle_heartbeat": int(HEARTBEAT_S * _NS),
            }
        )

    async def open(self) -> None:
        """Make the consumer and ask for messages. Raises BusError."""
        self._incarnation = (await self._jetstream.stream_state(self._stream)).incarnation
        self._subscription = await self._connection.listen(self._inbox + ".*", self._on_message)
        await self._make_consumer()
        self._keeper = asyncio.create_task(self._keep())

    async def next_batch(self, timeout_s: float) -> list[Message]:
        """Return what has come, at most BATCH_MAX, or [] when nothing came in `timeout_s`.

        Raises BusError when the subscription is closed or the stream is gone or another one.
        """
        if not self._buffer.messages:
            self._check()
            await self._buffer.wait(timeout_s)
            if not self._buffer.messages:
                self._check()
                return []
        return self.take()

    def take(self) -> list[Message]:
        """Return what has come, at most BATCH_MAX, or [], without waiting.

        Raises BusError as `next_batch` does.
        """
        if not self._buffer.messages:
            self._check()
            return []
        batch = self._buffer.take()
        self._request_more()
        return batch

    def wake(self, event: asyncio.Event) -> None:
        """Set `event` whenever a message arrives, and when the subscription ends."""
        self._buffer.tell(event)

    async def close(self) -> None:
        """Stop reading and delete the consumer."""
        if self._closed:
            return
        self._closed = True
        self._buffer.wake()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._connection.is_closed or self._subscription is None:
            return
        await self._connection.unlisten(self._subscription)
        if self._connection.is_connected:
            await self._jetstream.forget_consumer(self._stream, self._consumer)

    def reconnected(self) -> None:
        """Begin again behind the last message: requests do not survive a connection."""
        self._broken.set()

    def end(self, reason: str) -> None:
        """Fail the reader: the connection is gone for good."""
        self._error = BusError(f"reading {self._stream} ended: {reason}")
        self._buffer.wake()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
        if self._closed:
            raise BusError(f"the subscription to {self._stream} is closed")

    async def _make_consumer(self) -> None:
        generation = next(self._generations)
        self._consumer = f"{self._name}-{self._inbox.rpartition('.')[2]}-{generation}"
        self._consumer_field = self._consumer.encode()
        self._reply = f"{self._inbox}.{generation}"
        self._delivered = 0
        # Nobody is asked before there is somebody to ask.
        self._wanted = PULL_MESSAGES
        await self._jetstream.make_consumer(
            self._stream,
            self._consumer,
            {
                "name": self._consumer,
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": self._next_seq,
                "ack_policy": "none",
                "replay_policy": "instant",
                "inactive_threshold": int(INACTIVE_S * _NS),
                "mem_storage": True,
                "num_replicas": 1,
                "max_waiting": WAITING_MAX,
            },
            self._subjects,
        )
        self._wanted = 0
        self._request_more()

    def _request_more(self) -> None:
        while (
            not self._closed
            and self._wanted <= PULL_AGAIN_AT
            and len(self._buffer) <= BUFFER_MESSAGES_MAX - PULL_MESSAGES
            and self._buffer.bytes <= BUFFER_BYTES_MAX
            and self._connection.is_connected
        ):
            if not self._wanted:
                self._heard_at = self._loop.time()
            self._wanted += PULL_MESSAGES
            subject = self._jetstream.next_subject(self._stream, self._consumer)
            line = f"PUB {subject} {self._reply} {len(self._request)}\r\n"
            try:
                self._connection.write(line.encode() + self._request + b"\r\n")
            except NatsError:
                self._broken.set()
                return

    def _on_message(self, subject: bytes, reply: bytes, payload: bytes, block: bytes) -> None:
        if not reply:
            self._on_status(subject.decode(errors="backslashreplace"), headers_in(block))
            return
        # $JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>,
        # with domain and account behind ACK on some servers: counted from the end up to them.
        tokens = reply.split(b".")
        base = 2 if len(tokens) == 9 else 4
        if tokens[base + 1] != self._consumer_field:
            return
        consumer_seq = int(tokens[base + 4])
        if consumer_seq != self._delivered + 1:
            if not self._broken.is_set():
                logger.warning(
                    "%s: message %d came after %d, reading again from sequence %d",
                    self._stream,
                    consumer_seq,
                    self._delivered,
                    self._next_seq,
                )
            self._broken.set()
            return
        self._delivered = consumer_seq
        seq = int(tokens[base + 3])
        self._next_seq = seq + 1
        self._heard_at = self._loop.time()
        self._buffer.add(
            Message(
                subject.decode(errors="backslashreplace"),
                payload,
                seq,
                int(tokens[base + 5]),
                LazyHeaders(block) if block else _NO_HEADERS,
            ),
            len(block),
        )
        self._wanted -= 1
        if self._wanted <= PULL_AGAIN_AT:
            self._request_more()

    def _on_status(self, subject: str, headers: dict[str, str]) -> None:
        if subject != self._reply:
            return
        self._heard_at = self._loop.time()
        if headers.get(STATUS) == "100":
            self._check_heartbeat(headers)
            return
        # A request ended (expired, or full by bytes): what it had left is wanted no more.
        left = headers.get("Nats-Pending-Messages")
        if left is None or headers.get(DESCRIPTION, "").startswith("Consumer"):
            self._broken.set()
            return
        self._wanted -= int(left)
        self._request_more()

    def _check_heartbeat(self, headers: dict[str, str]) -> None:
        last = headers.get("Nats-Last-Consumer")
        if last is not None and int(last) != self._delivered:
            self._broken.set()

    async def _keep(self) -> None:
        while not self._closed and self._error is None:
            if not await wait_until_set(self._broken, HEARTBEAT_S):
                self._request_more()
                silent_s = self._loop.time() - self._heard_at
                if not self._wanted or silent_s < SILENCE_MAX_S:
                    continue
            if not self._connection.is_connected:
                self._broken.set()
                await asyncio.sleep(RETRY_S)
                continue
            await self._begin_again()

    async def _begin_again(self) -> None:
        old = self._consumer
        self._broken.clear()
        try:
            state = await self._jetstream.stream_state(self._stream)
            if state.incarnation != self._incarnation:
                self.end("the stream was made anew; its old sequences mean nothing")
                return
            await self._jetstream.forget_consumer(self._stream, old)
            await self._make_consumer()
        except JetStreamError as error:
            if error.err_code == _STREAM_NOT_FOUND:
                self.end(f"the stream is gone: {error}")
                return
            self._retry(error)
        except BusError as error:
            self._retry(error)
        if self._broken.is_set():
            await asyncio.sleep(RETRY_S)

    def _retry(self, error: BusError) -> None:
        logger.warning("%s: reading could not begin again, trying on: %s", self._stream, error)
        self._broken.set()
