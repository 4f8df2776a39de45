"""The strategist: bars in, raw signals out, for every strategy that is not external.

A pure state machine. A strategy holds at most one virtual position per symbol, closed by the
trade rule, and signals when it is flat and its entry condition holds at a close; with
`overlapping` it signals whenever the condition holds. A position is flat again in the bar whose
open or stop closed it, so that bar's close may signal anew.
"""

import math
from collections.abc import Callable
from hashlib import blake2b

from engine.answer import Answer
from engine.bar_book import BarBook
from engine.bar_intake import new_bars
from engine.settings import StrategySettings
from engine.strategy_runner import StrategyRunner, is_external
from engine.virtual_positions import VirtualPositions
from streams import subjects
from streams.events import TEXT_MAX, Bar, Bars, Event, Reset, Signal


class Strategist:
    """Runs `settings`' strategies on the symbols that `owns` says are its own.

    Raises ConfigError for an unknown kind or parameter.
    """

    def __init__(
        self,
        settings: tuple[StrategySettings, ...],
        owns: Callable[[str], bool] = lambda symbol: True,
    ) -> None:
        self._owns = owns
        self._bars = BarBook()
        self._desks: list[tuple[StrategyRunner, VirtualPositions]] = []
        for one in settings:
            if not is_external(one):
                runner = StrategyRunner(one)
                positions = VirtualPositions(runner.max_hold_bars, one.label.stop_atr_mult)
                self._desks.append((runner, positions))

    @property
    def progress_ts(self) -> int:
        """The instant up to which every signal is out: the newest that a later one followed."""
        return self._bars.complete_ts

    def step(self, event: Event) -> list[Answer]:
        """Take one event of INPUT and return the raw signals to publish, in order."""
        if isinstance(event, Bar | Bars):
            return [answer for bar in new_bars(self._bars, event) for answer in self._on_bar(bar)]
        if isinstance(event, Reset):
            self._on_reset(event)
        return []

    def _on_bar(self, bar: Bar) -> list[Answer]:
        if not self._owns(bar.symbol):
            return []
        answers: list[Answer] = []
        for runner, positions in self._desks:
            if not runner.trades(bar.symbol, bar.interval):
                continue
            slot = runner.slot_of(bar.symbol)
            side, score, stop, exit_long, exit_short, atr = runner.decide(slot, bar)
            positions.advance(slot, bar, exit_long, exit_short)
            is_flat = positions.is_flat(slot)
            if side != 0.0 and (is_flat or runner.settings.overlapping):
                signal = _signal(runner.settings.name, bar, int(side), score, stop)
                if is_flat:
                    positions.enter(slot, signal, atr)
                answers.append(Answer(subjects.raw(signal.strategy, signal.symbol), signal))
        return answers

    def _on_reset(self, event: Reset) -> None:
        self._bars.reset(event)
        for runner, positions in self._desks:
            slot = runner.reset(event.symbol)
            if slot is not None:
                positions.drop(slot)


def _signal(strategy: str, bar: Bar, side: int, score: float, stop: float) -> Signal:
    # A stop that is no price, as one many ATR below a cheap stock, is left to the labelling rule.
    is_usable = math.isfinite(stop) and stop > 0.0 and side * (bar.close - stop) > 0.0
    return Signal(
        signal_id=signal_id_of(strategy, bar.symbol, bar.ts),
        strategy=strategy,
        symbol=bar.symbol,
        interval=bar.interval,
        ts=bar.ts,
        side=side,
        score=min(max(score, 0.0), 1.0),
        price=bar.close,
        stop=stop if is_usable else None,
    )


def signal_id_of(strategy: str, symbol: str, ts: int) -> str:
    """Return the id of a strategy's signal at a close: the same in every run.

    >>> signal_id_of("breakout", "AAPL", 7)
    'breakout-AAPL-7'
    """
    plain = f"{strategy}-{symbol}-{ts}"
    if len(plain) <= TEXT_MAX:
        return plain
    return f"{blake2b(plain.encode(), digest_size=16).hexdigest()}-{ts}"
