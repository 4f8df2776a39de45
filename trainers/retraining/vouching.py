"""The trainer's watermark: no request of an earlier event time is still to be answered.

The drift monitor writes its requests before the progress that vouches for them. So when its
progress has been seen first, and the queue is found empty after that, every request up to that
event time has been answered.
"""

import asyncio

from streams import codec, subjects, topology
from streams.bus import Bus, WorkQueue
from streams.events import Progress
from streams.intake import event_of
from streams.watermark import Watermark

ROLE = "trainer"
DRIFT_ROLE = "drift"
POLL_S = 0.1


class Vouching:
    """Publishes progress.trainer.<shard> into DRIFT as the drift monitor moves on."""

    def __init__(self, bus: Bus, queue: WorkQueue, shard: int) -> None:
        self._bus = bus
        self._queue = queue
        self._shard = shard
        self._drift = Watermark()
        self._said = (0, 0)

    async def run(self) -> None:
        """Follow until cancelled."""
        wanted = (f"progress.{DRIFT_ROLE}.>",)
        subscription = await self._bus.read(topology.DRIFT, 1, wanted)
        try:
            while True:
                messages = await subscription.next_batch(POLL_S)
                for message in messages:
                    event = event_of(message)
                    if isinstance(event, Progress):
                        self._drift.note(event)
                await self._say(is_idle=not messages)
        finally:
            await subscription.close()

    async def _say(self, *, is_idle: bool) -> None:
        event_ts, seq = self._drift.event_ts, self._drift.seq
        # A position alone is news for who looks how far behind this role is: it can wait.
        has_moved = event_ts > self._said[0] or (is_idle and seq > self._said[1])
        if not has_moved:
            return
        if await self._queue.pending():
            # Nothing to wait for but the worker; the subscription may answer at once.
            await asyncio.sleep(POLL_S)
            return
        event = Progress(ROLE, self._shard, event_ts, seq)
        await self._bus.publish(subjects.progress(ROLE, self._shard), codec.encode(event))
        self._said = event_ts, seq
