"""Reads answers and outcomes off the bus into the feature database, and knows how far it is."""

import asyncio

from streams import codec, subjects, topology
from streams.bus import Bus
from streams.errors import BusError, WireError
from trainers.collector import Collector
from trainers.retraining.together import run_together

READ_TIMEOUT_S = 0.2
CATCH_UP_S = 600.0

STREAMS = (topology.SCORED, topology.OUTCOMES)
_PROGRESS = subjects.PROGRESS.rstrip(">")


class Collecting:
    """Feeds a Collector from SCORED and OUTCOMES, from their beginning: adding again is free."""

    def __init__(self, bus: Bus, collector: Collector) -> None:
        self.seq = dict.fromkeys(STREAMS, 0)
        self._bus = bus
        self._collector = collector
        self._moved = asyncio.Condition()

    async def run(self) -> None:
        """Read until cancelled; raises BusError when the bus is lost for good."""
        await run_together(*(self._follow(stream) for stream in STREAMS))

    async def catch_up(self) -> None:
        """Return when everything that stands in the streams now is in the database."""
        targets = {stream: await self._bus.last_seq(stream) for stream in STREAMS}
        async with self._moved:
            try:
                async with asyncio.timeout(CATCH_UP_S):
                    await self._moved.wait_for(
                        lambda: all(self.seq[name] >= seq for name, seq in targets.items())
                    )
            except TimeoutError:
                raise BusError(
                    f"the feature database has not caught up within {CATCH_UP_S:.0f} s: it is at "
                    f"{self.seq}, should be at {targets}; look at the broker"
                ) from None
        self._collector.flush()

    async def _follow(self, stream: str) -> None:
        subscription = await self._bus.read(stream, 1)
        try:
            while True:
                batch = await subscription.next_batch(READ_TIMEOUT_S)
                for message in batch:
                    if not message.subject.startswith(_PROGRESS):
                        self._take(message.payload)
                if batch:
                    async with self._moved:
                        self.seq[stream] = batch[-1].seq
                        self._moved.notify_all()
        finally:
            await subscription.close()

    def _take(self, payload: bytes) -> None:
        try:
            self._collector.take(codec.decode(payload))
        except WireError:
            # Whoever wrote it has dead-lettered what it could not read; nothing to learn here.
            return
