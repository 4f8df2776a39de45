"""The labeller's role: bars of INPUT and answers of SCORED in, outcomes out.

Its two feeds are merged by event time: the bars of an instant wait until the scorers have
vouched for every answer to the instant before, so outcomes leave in one order in every run.
"""

from typing import Any

from engine.answer import Answer
from engine.labeller import Labeller
from engine.labels.real_trades import TRADE
from engine.shells.shell import Feed, Shell
from streams import subjects, topology
from streams.bus import Bus, Message
from streams.errors import WireError
from streams.events import Bar, Bars, Event

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
            writes=(topology.OUTCOMES, topology.DLQ, topology.DRIFT),
            **options,
        )
        self._labeller = core

    def is_held(self, feed: int, event: Event | WireError) -> bool:
        """Hold bars that would overtake answers, and answers that run too far ahead of bars."""
        if feed == ANSWERS_FEED:
            return self._labeller.answers_must_wait
        return isinstance(event, Bar | Bars) and self._labeller.must_wait(event)

    def refuse(self, message: Message, error: WireError) -> list[Answer]:
        """Send a real trade with figures that cannot be to the dead letters.

        What is no trade at all is sent there by the scorer, which reads all of INPUT.
        """
        if error.reason != TRADE:
            return []
        return [Answer(subjects.dead_letter(message.subject), message.payload, str(error))]
