"""The strategies' role: bars of INPUT in, raw signals into INPUT."""

import asyncio
from typing import Any

from engine.shells.shell import Feed, Shell
from engine.strategist import Strategist
from streams import codec, subjects, topology
from streams.bus import Bus
from streams.events import Progress

ROLE = "strategies"


class StrategiesRole(Shell):
    """Runs a Strategist; `options` are those of Shell.

    It reads bars only, and writes behind them into the same stream. Whoever publishes bars in
    frames waits for the signals on them, so it says its position after every turn.
    """

    def __init__(self, bus: Bus, core: Strategist, **options: Any) -> None:
        super().__init__(
            bus,
            core,
            role=ROLE,
            feeds=(Feed(topology.INPUT, (subjects.BARS,)),),
            writes=(topology.INPUT,),
            says_every_position=True,
            **options,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; raises BusError when the bus is lost for good.

        First of all it vouches for nothing: whoever reads that waits for it, and does not take
        bars without signals behind it for bars that are answered.
        """
        nothing = Progress(self.role, self.shard, 0, 0, self.shards)
        await self.bus.publish(subjects.progress(self.role, self.shard), codec.encode(nothing))
        await super().run(stop)
