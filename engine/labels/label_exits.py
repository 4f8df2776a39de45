"""What the strategies say of leaving, bar by bar: the exit flags of an event's bars.

One compiled call per strategy decides at the close of every bar that it trades.
"""

from collections.abc import Callable, Iterable

import numpy as np

from engine.bar_book import BarBook, NewBars, grown
from engine.labels.label_kernels import Floats, Ints, load_label_kernels
from engine.labels.label_rule import LabelRule
from engine.saved import Saved
from engine.strategy import DECISION_SIZE, load_strategy
from engine.strategy_runner import StrategyRunner

_SLOTS_FIRST = 16
_ROWS_FIRST = 64
_NOT_TRADED = -1


class LabelExits:
    """The strategies of `rules` that have exits of their own, on the symbols that `owns` names."""

    def __init__(self, rules: Iterable[LabelRule], owns: Callable[[str], bool]) -> None:
        self._owns = owns
        self._exits = [_Exit(rule.bit, rule.runner) for rule in rules if rule.runner is not None]
        self._slots_met = 0
        self._flags = np.zeros((_ROWS_FIRST, 2), dtype=np.int64)

    def of(self, bars: NewBars, book: BarBook) -> Ints:
        """Return int64 (n, 2): whether longs and shorts should leave, one bit for each rule.

        It is good until the next call.
        """
        if self._slots_met < len(book):
            for slot in range(self._slots_met, len(book)):
                symbol, interval = book.name_of(slot)
                is_own = self._owns(symbol)
                for one in self._exits:
                    one.meet(slot, symbol, interval, is_own=is_own)
            self._slots_met = len(book)
        rows = len(bars.slots)
        self._flags = grown(self._flags, rows)
        flags = self._flags[:rows]
        if self._exits:
            flags[:] = 0
            for one in self._exits:
                one.mark(bars, flags)
        return flags

    def reset(self, symbol: str) -> None:
        """Forget a symbol's history."""
        for one in self._exits:
            one.runner.reset(symbol)

    def save(self) -> Saved:
        """Return the state of every strategy."""
        parts = {str(one.bit): one.runner.save() for one in self._exits}
        return Saved.of({"strategies": len(parts)}, **parts)

    def load(self, saved: Saved) -> None:
        """Go on, afresh, from what `save` returned. Raises ValueError for other strategies."""
        if saved.facts["strategies"] != len(self._exits):
            raise ValueError(
                f"the exits of {saved.facts['strategies']} strategies were saved, "
                f"{len(self._exits)} are configured"
            )
        for one in self._exits:
            one.runner.load(saved.part(str(one.bit)))


class _Exit:
    """The exits of one strategy; `bit` is its place in the flags."""

    def __init__(self, bit: int, runner: StrategyRunner) -> None:
        kernels = load_label_kernels()
        self._cover, self._mark = kernels.cover, kernels.mark_exits
        self.bit = bit
        self.runner = runner
        self._decide = load_strategy(runner.settings.rule_name).update_many
        self._homes = np.full(_SLOTS_FIRST, _NOT_TRADED, dtype=np.int64)
        self._rows = np.zeros(_ROWS_FIRST, dtype=np.int64)
        self._covered = np.zeros(_ROWS_FIRST, dtype=np.int64)
        self._decisions: Floats = np.zeros((_ROWS_FIRST, DECISION_SIZE))

    def meet(self, slot: int, symbol: str, interval: str, *, is_own: bool) -> None:
        """Learn whose series a slot of the book is."""
        self._homes = grown(self._homes, slot + 1)
        is_traded = is_own and self.runner.trades(symbol, interval)
        self._homes[slot] = self.runner.slot_of(symbol) if is_traded else _NOT_TRADED

    def mark(self, bars: NewBars, flags: Ints) -> None:
        """Decide at each close and set the bits of those bars at which trades should leave."""
        rows = len(bars.slots)
        if rows > len(self._rows):
            self._rows = grown(self._rows, rows)
            self._covered = grown(self._covered, rows)
            self._decisions = grown(self._decisions, rows)
        count = self._cover(self._homes, bars.slots, self._rows, self._covered)
        if not count:
            return
        covered, ts, values = self._rows[:count], bars.ts, bars.values
        if count < rows:
            ts, values = ts[covered], values[covered]
        self._decide(
            self.runner.states,
            self._covered[:count],
            ts,
            values,
            self.runner.params,
            self._decisions,
        )
        self._mark(covered, self._decisions, self.bit, flags)
