"""A work queue in memory: units leased to one worker each, by the store's clock."""

import asyncio

from streams.bus import Message
from streams.clock import Clock
from streams.errors import BusError
from streams.memory_store import Lease, StoredStream
from streams.waiting import wait_until_set

_NS = 1_000_000_000
LEASE_POLL_S = 0.02
"""How often a waiting worker looks for leases that ran out: a clock set by hand wakes nobody."""


class MemoryWork:
    """One leased unit."""

    def __init__(self, queue: "MemoryWorkQueue", message: Message, lease: Lease) -> None:
        self.message = message
        self.deliveries = lease.deliveries
        self._queue = queue

    async def done(self) -> None:
        """Remove the unit, even when its lease ran out meanwhile."""
        self._queue.remove(self.message.seq)

    async def retry(self, delay_s: float) -> None:
        """Give the unit back for `delay_s`."""
        self._queue.lease_for(self.message.seq, delay_s)

    async def heartbeat(self) -> None:
        """Start the lease anew."""
        self._queue.lease_for(self.message.seq, self._queue.ack_wait_s)


class MemoryWorkQueue:
    """Takes the oldest unit that nobody holds."""

    def __init__(self, stream: StoredStream, clock: Clock, ack_wait_s: float) -> None:
        self.ack_wait_s = ack_wait_s
        self._stream = stream
        self._clock = clock
        self._more = asyncio.Event()
        self._closed = False
        stream.waiting.add(self._more)

    async def next(self, timeout_s: float) -> MemoryWork | None:
        """Return the next unit, or None when none came within `timeout_s`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while not self._closed:
            work = self._take()
            remaining = deadline - loop.time()
            if work is not None or remaining <= 0:
                return work
            self._more.clear()
            await wait_until_set(self._more, min(remaining, LEASE_POLL_S))
        raise BusError("the work queue is closed")

    async def pending(self) -> int:
        """Return how many units wait or are held."""
        return len(self._stream.messages)

    async def behind(self, message: Message) -> list[Message]:
        """Return the units of a message's subject that stand behind it, in order."""
        held = self._stream.messages.values()
        return [m for m in held if m.subject == message.subject and m.seq > message.seq]

    async def close(self) -> None:
        """Stop taking units; a held one comes back when its lease runs out."""
        self._closed = True
        self._stream.waiting.discard(self._more)
        self._more.set()

    def remove(self, seq: int) -> None:
        """Forget a unit for good."""
        self._stream.messages.pop(seq, None)
        self._stream.leases.pop(seq, None)

    def lease_for(self, seq: int, delay_s: float) -> None:
        """Keep a unit from being handed out for `delay_s`."""
        lease = self._stream.leases.get(seq)
        if lease is not None:
            lease.free_at_ns = self._clock.now_ns() + round(delay_s * _NS)
            self._stream.wake()

    def _take(self) -> MemoryWork | None:
        now_ns = self._clock.now_ns()
        for seq, lease in self._stream.leases.items():
            if lease.deliveries == 0 or lease.free_at_ns <= now_ns:
                lease.deliveries += 1
                lease.free_at_ns = now_ns + round(self.ack_wait_s * _NS)
                return MemoryWork(self, self._stream.messages[seq], lease)
        return None
