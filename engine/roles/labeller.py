"""The labeller's role: bars of INPUT and answers of SCORED in, outcomes out.

Its two feeds stay close together: bars do not run past what the labeller keeps of them before
the answers made on them have come, nor answers past their bars.
"""

from typing import Any

from engine.labeller import Labeller
from engine.shell import Feed, Shell
from streams import subjects, topology
from streams.bus import Bus

ROLE = "labeller"
BARS_FEED, ANSWERS_FEED = 0, 1


class LabellerRole(Shell):
    """Runs a Labeller; `options` are those of Shell."""

    def __init__(self, bus: Bus, core: Labeller, **options: Any) -> None:
        super().__init__(
            bus,
            core,
            role=ROLE,
            feeds=(Feed(topology.INPUT, (subjects.BARS, subjects.TRADES)), Feed(topology.SCORED)),
            writes=(topology.OUTCOMES,),
            **options,
        )
        self._labeller = core

    def is_held(self, feed: int) -> bool:
        """Hold the bars, or the answers, when they have run too far ahead of the others."""
        if feed == BARS_FEED:
            return self._labeller.bars_too_far_ahead
        return self._labeller.answers_too_far_ahead
