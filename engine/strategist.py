"""The strategist: bars in, raw signals out, for every strategy that is not external.

A pure state machine. A strategy holds at most one virtual position per symbol, closed by the
trade rule, and signals when it is flat and its entry condition holds at a close; with
`overlapping` it signals whenever the condition holds. A position is flat again in the bar whose
open or stop closed it, so that bar's close may signal anew.

The signals of one event come strategy by strategy, in configured order, each strategy's in the
order of their bars: one as a plain event, several in columns.
"""

from collections.abc import Callable

from engine.answer import Answer
from engine.bar_book import BarBook
from engine.bar_intake import take_bars
from engine.saved import Saved
from engine.settings import StrategySettings
from engine.signal_maker import SignalMaker
from engine.strategy_runner import is_external
from streams.events import Bar, Bars, Event, Reset


class Strategist:
    """Runs `settings`' strategies on the symbols that `owns` says are its own.

    Raises ConfigError for an unknown kind or parameter.
    """

    def __init__(
        self,
        settings: tuple[StrategySettings, ...],
        owns: Callable[[str], bool] = lambda symbol: True,
    ) -> None:
        self._bars = BarBook()
        self._makers = [SignalMaker(one, owns) for one in settings if not is_external(one)]

    @property
    def progress_ts(self) -> int:
        """The instant up to which every signal is out: the newest that a later one followed."""
        return self._bars.complete_ts

    def step(self, event: Event) -> list[Answer]:
        """Take one event of INPUT and return the raw signals to publish, in order."""
        if isinstance(event, Bar | Bars):
            return self._on_bars(event)
        if isinstance(event, Reset):
            self._bars.reset(event)
            for maker in self._makers:
                maker.reset(event.symbol)
        return []

    def save(self) -> Saved:
        """Return all there is to know: the bars, and each strategy's states and positions."""
        makers = {str(number): maker.save() for number, maker in enumerate(self._makers)}
        return Saved.of({"strategies": len(makers)}, bars=self._bars.save(), **makers)

    def load(self, saved: Saved) -> None:
        """Go on from `saved`, in a fresh strategist.

        Raises ValueError where other strategies were configured.
        """
        if saved.facts["strategies"] != len(self._makers):
            raise ValueError(
                f"{saved.facts['strategies']} strategies were saved, {len(self._makers)} are "
                "configured"
            )
        self._bars.load(saved.part("bars"))
        for number, maker in enumerate(self._makers):
            maker.load(saved.part(str(number)))

    def _on_bars(self, event: Bar | Bars) -> list[Answer]:
        bars = take_bars(self._bars, event)
        if bars is None:
            return []
        answers: list[Answer] = []
        for maker in self._makers:
            if maker.settings.interval == event.interval:
                answers += maker.take(bars, self._bars)
        return answers
