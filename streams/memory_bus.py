"""The bus in this process: for tests, backtests and simulations, without a broker.

>>> import asyncio
>>> async def main() -> int:
...     bus = MemoryBus()
...     await bus.publish("bars.1d.A", b"{}", msg_id="a")
...     return await bus.publish("bars.1d.A", b"{}", msg_id="a")
>>> asyncio.run(main())
1
"""

import asyncio
import itertools
from collections.abc import Mapping

from streams.buffer import BATCH_MAX, Buffer
from streams.bus import KeyEntry, Message, Subscription, WorkQueue
from streams.clock import Clock, SystemClock
from streams.errors import BusError
from streams.limits import MESSAGE_BYTES_MAX, PLAIN_BUFFER_MAX, WORK_ACK_WAIT_S, check_key
from streams.memory_queue import MemoryWorkQueue
from streams.memory_store import Listener, MemoryStore, StoredStream
from streams.waiting import wait_until_set
from streams.wildcard import check_subject, matches

SENDS_PER_YIELD = 256


class MemoryBus:
    """A bus without a broker. `clock` stamps messages and runs the leases of work queues.

    `handle()` gives another role its own bus on the same store: closing one leaves the other,
    and what is stored, alone.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        store: MemoryStore | None = None,
        ack_wait_s: float = WORK_ACK_WAIT_S,
    ) -> None:
        self._store = store or MemoryStore(clock or SystemClock())
        self._ack_wait_s = ack_wait_s
        self._listeners = self._store.listeners
        self._open: list[Subscription | WorkQueue] = []
        self._failed: list[str] = []
        self._sends = itertools.count(1)
        self._closed = False

    def handle(self) -> "MemoryBus":
        """Return another bus on the same store."""
        return MemoryBus(store=self._store, ack_wait_s=self._ack_wait_s)

    async def publish(
        self,
        subject: str,
        payload: bytes,
        *,
        msg_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """Store a message and return its stream sequence."""
        self._check_open()
        _check_message(subject, payload)
        seq, stored = self._store.store(subject, payload, msg_id, headers)
        # As on NATS, plain listeners of the subject also hear a repeat that is not stored.
        self._deliver(subject, payload)
        if stored is not None:
            copy = self._store.republished(stored)
            if copy is not None:
                self._deliver(copy.subject, copy.payload)
        return seq

    async def send(
        self,
        subject: str,
        payload: bytes,
        *,
        msg_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Store a message; what goes wrong is told by `flush`."""
        try:
            await self.publish(subject, payload, msg_id=msg_id, headers=headers)
        except BusError as error:
            if self._closed:
                raise
            self._failed.append(str(error))
        if next(self._sends) % SENDS_PER_YIELD == 0:
            # Storing never waits, and a publisher that never waits starves the readers.
            await asyncio.sleep(0)

    async def flush(self) -> None:
        """Raise BusError for what `send` could not store since the last flush."""
        failed, self._failed = self._failed, []
        if failed:
            raise BusError(f"{len(failed)} of the messages sent were not stored: {failed[0]}")

    async def read(
        self, stream: str, start_seq: int = 1, subjects: tuple[str, ...] = ()
    ) -> Subscription:
        """Read `stream` in order from `start_seq`."""
        self._check_open()
        subscription = MemorySubscription(self._store.stream(stream), start_seq, subjects)
        self._open.append(subscription)
        return subscription

    async def last_seq(self, stream: str, subjects: tuple[str, ...] = ()) -> int:
        """Return the newest sequence of `stream`, or of those on `subjects`, 0 for none."""
        stored = self._store.stream(stream)
        if not subjects:
            return stored.last_seq
        held = reversed(stored.messages.items())
        found = (seq for seq, one in held if any(matches(s, one.subject) for s in subjects))
        return next(found, 0)

    async def incarnation(self, stream: str) -> str:
        """Return the stream's token, the same for the life of the store."""
        return self._store.stream(stream).incarnation

    async def publish_plain(self, subject: str, payload: bytes) -> None:
        """Publish to whoever listens now; nothing is stored."""
        self._check_open()
        _check_message(subject, payload)
        self._deliver(subject, payload)

    async def subscribe_plain(self, subject: str) -> Subscription:
        """Listen to `subject` (wildcards allowed) from now on."""
        self._check_open()
        subscription = MemoryPlainSubscription(subject, self._listeners)
        self._open.append(subscription)
        return subscription

    async def work_queue(self, stream: str, worker: str) -> WorkQueue:
        """Take part in the work queue `stream`."""
        self._check_open()
        stored = self._store.stream(stream)
        if not stored.spec.work_queue:
            raise BusError(f"stream {stream} is not a work queue")
        queue = MemoryWorkQueue(stored, self._store.clock, self._ack_wait_s)
        self._open.append(queue)
        return queue

    async def key_get(self, bucket: str, key: str) -> KeyEntry | None:
        """Return a key's value and revision, or None."""
        return self._store.bucket(bucket).get(check_key(key))

    async def key_put(
        self, bucket: str, key: str, value: bytes, *, expected: int | None = None
    ) -> int:
        """Write a key and return its revision; raises ConflictError."""
        self._check_open()
        return self._store.key_put(bucket, check_key(key), value, expected)

    async def keys(self, bucket: str) -> list[str]:
        """Return the keys of a bucket, sorted."""
        return sorted(self._store.bucket(bucket))

    async def object_put(self, bucket: str, name: str, data: bytes) -> None:
        """Store an object; an existing one is left alone."""
        self._check_open()
        self._store.objects_of(bucket).setdefault(name, bytes(data))

    async def object_get(self, bucket: str, name: str) -> bytes | None:
        """Return an object's bytes, or None."""
        return self._store.objects_of(bucket).get(name)

    async def close(self) -> None:
        """Close this handle and its subscriptions; raises BusError as `flush` does."""
        if self._closed:
            return
        self._closed = True
        for subscription in self._open:
            await subscription.close()
        await self.flush()

    def _deliver(self, subject: str, payload: bytes) -> None:
        for listener in tuple(self._listeners):
            if matches(listener.pattern, subject):
                listener.hear(Message(subject, bytes(payload)))

    def _check_open(self) -> None:
        if self._closed:
            raise BusError("the bus is closed")


class MemorySubscription:
    """An ordered read of one stored stream."""

    def __init__(self, stream: StoredStream, start_seq: int, patterns: tuple[str, ...]) -> None:
        self._stream = stream
        self._next_seq = max(1, start_seq)
        self._patterns = patterns
        self._more = asyncio.Event()
        self._events = [self._more]
        self._closed = False
        stream.waiting.add(self._more)

    async def next_batch(self, timeout_s: float) -> list[Message]:
        """Return up to BATCH_MAX messages, or [] when none came within `timeout_s`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while not self._closed:
            batch = self._next()
            if batch:
                # A reader that never waits would starve whoever shares the loop with it.
                await asyncio.sleep(0)
                return batch
            remaining = deadline - loop.time()
            if remaining <= 0:
                return []
            self._more.clear()
            await wait_until_set(self._more, remaining)
        raise BusError("the subscription is closed")

    def take(self) -> list[Message]:
        """Return up to BATCH_MAX messages that are there, or [], without waiting."""
        if self._closed:
            raise BusError("the subscription is closed")
        return self._next()

    def wake(self, event: asyncio.Event) -> None:
        """Set `event` whenever a message is stored, and when the subscription ends."""
        self._events.append(event)
        self._stream.waiting.add(event)
        if self._next_seq <= self._stream.last_seq:
            event.set()

    async def close(self) -> None:
        """Stop reading."""
        self._closed = True
        for event in self._events:
            self._stream.waiting.discard(event)
            event.set()

    def _next(self) -> list[Message]:
        batch: list[Message] = []
        messages = self._stream.messages
        while self._next_seq <= self._stream.last_seq and len(batch) < BATCH_MAX:
            message = messages.get(self._next_seq)
            self._next_seq += 1
            if message is not None and self._wants(message.subject):
                batch.append(message)
        return batch

    def _wants(self, subject: str) -> bool:
        return not self._patterns or any(matches(p, subject) for p in self._patterns)


class MemoryPlainSubscription:
    """What is published from now on, at most once; the newest are dropped when it is full."""

    def __init__(self, pattern: str, listeners: set[Listener]) -> None:
        self.pattern = pattern
        self.dropped = 0
        self._buffer = Buffer()
        self._listeners = listeners
        self._closed = False
        listeners.add(self)

    def hear(self, message: Message) -> None:
        """Keep a message for the taker."""
        if len(self._buffer) >= PLAIN_BUFFER_MAX:
            self.dropped += 1
            return
        self._buffer.add(message)

    async def next_batch(self, timeout_s: float) -> list[Message]:
        """Return what came, or [] when nothing came within `timeout_s`."""
        if self._closed:
            raise BusError("the subscription is closed")
        await self._buffer.wait(timeout_s)
        return self._buffer.take()

    def take(self) -> list[Message]:
        """Return what came, or [], without waiting."""
        if self._closed:
            raise BusError("the subscription is closed")
        return self._buffer.take()

    def wake(self, event: asyncio.Event) -> None:
        """Set `event` whenever a message arrives, and when the subscription ends."""
        self._buffer.tell(event)

    async def close(self) -> None:
        """Stop listening."""
        self._closed = True
        self._listeners.discard(self)
        self._buffer.wake()


def _check_message(subject: str, payload: bytes) -> None:
    try:
        check_subject(subject)
    except ValueError as error:
        raise BusError(str(error)) from None
    if len(payload) > MESSAGE_BYTES_MAX:
        raise BusError(f"the message has {len(payload)} bytes, at most {MESSAGE_BYTES_MAX}")
