"""The labeller's role: bars of INPUT and answers of SCORED in, outcomes out."""

from typing import Any

from engine.labeller import Labeller
from engine.shell import Feed, Shell
from streams import subjects, topology
from streams.bus import Bus

ROLE = "labeller"


def labeller_shell(bus: Bus, core: Labeller, **options: Any) -> Shell:
    """Return the shell of the labeller's role; `options` are those of Shell."""
    return Shell(
        bus,
        core,
        role=ROLE,
        feeds=(Feed(topology.INPUT, (subjects.BARS, subjects.TRADES)), Feed(topology.SCORED)),
        writes=(topology.OUTCOMES,),
        **options,
    )
