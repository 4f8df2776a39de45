"""The strategies' role: bars of INPUT in, raw signals into INPUT."""

from typing import Any

from engine.shell import Feed, Shell
from engine.strategist import Strategist
from streams import subjects, topology
from streams.bus import Bus

ROLE = "strategies"


def strategies_shell(bus: Bus, core: Strategist, **options: Any) -> Shell:
    """Return the shell of the strategies' role; `options` are those of Shell.

    It reads bars only, and writes behind them into the same stream. Whoever publishes bars in
    frames waits for the signals on them, so it says its position after every turn.
    """
    return Shell(
        bus,
        core,
        role=ROLE,
        feeds=(Feed(topology.INPUT, (subjects.BARS,)),),
        writes=(topology.INPUT,),
        says_every_position=True,
        **options,
    )
