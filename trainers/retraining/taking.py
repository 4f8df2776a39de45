"""Takes requests off the queue, and hands each on when it is its strategy's turn.

Meanwhile it is held by heartbeats, so that a trainer goes on with other strategies while another
one works on this. Of one strategy the requests are handed on in their order.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from engine.shells.lease import Lease
from streams.bus import Work, WorkQueue
from streams.events import Retrain
from streams.topology import QUEUED_PER_STRATEGY_MAX
from streams.waiting import end_tasks
from trainers.retraining.turns import Turns

HEARTBEAT_S = 10.0
"""A third of the lease of a work unit."""

HELD_MAX = QUEUED_PER_STRATEGY_MAX


class Taken(NamedTuple):
    """A unit of the queue, the request in it, and the task that holds it."""

    work: Work
    request: Retrain
    beating: "asyncio.Task[None]"


class Taking:
    """What one trainer holds of the queue. `read` returns None for what is no request."""

    def __init__(
        self, queue: WorkQueue, turns: Turns, read: Callable[[Work], Awaitable[Retrain | None]]
    ) -> None:
        self._queue = queue
        self._turns = turns
        self._read = read
        self._held: dict[int, Taken] = {}

    async def next(self, timeout_s: float) -> tuple[Taken, Lease] | None:
        """Return a request whose strategy's turn is this trainer's, or None after `timeout_s`.

        Both are then the caller's to give back. Raises BusError.
        """
        due = await self._due()
        if due is not None:
            return due
        if len(self._held) >= HELD_MAX:
            await asyncio.sleep(timeout_s)
            return None
        work = await self._queue.next(timeout_s)
        if work is not None:
            request = await self._read(work)
            if request is not None:
                await self._hold(work, request)
        return await self._due()

    async def close(self) -> None:
        """Give back what is held."""
        held, self._held = list(self._held.values()), {}
        await end_tasks(taken.beating for taken in held)
        for taken in held:
            await taken.work.retry(0.0)

    async def _hold(self, work: Work, request: Retrain) -> None:
        """Hold a unit; one that came again is held once, as it came last."""
        before = self._held.get(work.message.seq)
        if before is not None:
            await end_tasks((before.beating,))
        self._held[work.message.seq] = Taken(work, request, asyncio.create_task(_beat(work)))

    async def _due(self) -> tuple[Taken, Lease] | None:
        asked: set[str] = set()
        for seq, taken in sorted(self._held.items()):
            strategy = taken.request.strategy
            if strategy in asked:
                continue
            asked.add(strategy)
            lease = await self._turns.take(strategy)
            if lease is not None:
                return self._held.pop(seq), lease
        return None


async def _beat(work: Work) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_S)
        await work.heartbeat()
