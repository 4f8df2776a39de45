"""The labeller: what became of every signal, let through or not, by one rule.

A pure state machine that reads two streams, INPUT (bars, resets, real trades) and SCORED
(answers, the scorers' progress), in whatever order they reach it. An answer whose bar is not
known yet waits for it; one that comes after later bars is walked forward over them. Either way
its outcome is the same, byte for byte.

No outcome is given, and `dropped` counts why, for a signal

    invalid, no_bar, too_late   that the scorer answered so, or whose bar never came
    unknown_strategy            of a strategy, or on a series, that is not configured here
    beyond_ring                 answered more than RING_BARS bars of its series after its own
    reset                       whose symbol's bars were reset before its trade closed
    no_risk                     without a stop that stands apart from its price, or at a distance
                                from it of which no finite figures can be made
    limit                       beyond PENDING_SIGNALS_MAX waiting or OPEN_TRADES_MAX open
"""

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from engine.answer import Answer
from engine.bar_book import BarBook
from engine.bar_intake import new_bars
from engine.label_kernels import load_label_kernels
from engine.label_rule import LabelRule, label_rules
from engine.label_series import BEYOND_RING, NO_BAR, WAITS, Closed, LabelSeries
from engine.real_trades import RealTrades
from engine.settings import StrategySettings
from engine.trade import Figures, settle
from streams import subjects
from streams.events import Bar, Bars, Event, Outcome, Progress, Reset, Scored, Trade

PENDING_SIGNALS_MAX = 50_000
OPEN_TRADES_MAX = 100_000

Key = tuple[str, str]


class Labeller:
    """Labels the signals of `settings`' strategies on the symbols that `owns` says are its own.

    With `waits_for_scorer` nothing is promised before a scorer has reported progress: set it
    wherever scorers publish theirs, so that bars read ahead of the answers promise nothing.
    Raises ConfigError for an unknown kind or parameter.
    """

    def __init__(
        self,
        settings: tuple[StrategySettings, ...],
        owns: Callable[[str], bool] = lambda symbol: True,
        *,
        waits_for_scorer: bool = False,
    ) -> None:
        self._owns = owns
        self._waits_for_scorer = waits_for_scorer
        self._rules = label_rules(settings)
        # Compiled before the first bar, not on it.
        load_label_kernels()
        self._bars = BarBook()
        self._series: dict[Key, LabelSeries] = {}
        self._waiting: dict[Key, dict[int, list[tuple[Scored, LabelRule]]]] = {}
        self._waiting_count = 0
        self._open_count = 0
        self._real = RealTrades()
        self._scorer_progress: dict[int, int] = {}
        self.dropped: Counter[str] = Counter()
        self._steps: dict[type[Any], Callable[[Any], list[Answer]]] = {
            Bar: self._on_bars,
            Bars: self._on_bars,
            Reset: self._on_reset,
            Scored: self._on_scored,
            Trade: self._on_trade,
            Progress: self._on_progress,
        }

    @property
    def progress_ts(self) -> int:
        """The event time up to which every virtual outcome, by its exit_ts, is out."""
        if self._scorer_progress:
            return min(self._bars.complete_ts, *self._scorer_progress.values())
        return 0 if self._waits_for_scorer else self._bars.complete_ts

    def bars_must_wait(self, ts: int) -> bool:
        """Whether bars of instant `ts` come before all answers to the instant known last.

        Then INPUT waits for SCORED: outcomes leave in the same order however the two arrive.
        """
        newest_ts = self._bars.newest_ts
        if ts <= newest_ts:
            return False
        known = self._scorer_progress.values()
        return newest_ts > min(known) if known else self._waits_for_scorer and newest_ts > 0

    @property
    def answers_must_wait(self) -> bool:
        """Whether half as many signals wait for bars as may: SCORED should wait for INPUT."""
        return self._waiting_count > PENDING_SIGNALS_MAX // 2

    def step(self, event: Event) -> list[Answer]:
        """Take one event of INPUT or SCORED and return the outcomes to publish.

        Raises WireError `trade` for a real trade that cannot be honoured.
        """
        handler = self._steps.get(type(event))
        return handler(event) if handler else []

    def _on_bars(self, event: Bar | Bars) -> list[Answer]:
        return [answer for bar in new_bars(self._bars, event) for answer in self._on_bar(bar)]

    def _on_bar(self, bar: Bar) -> list[Answer]:
        if not self._owns(bar.symbol):
            return []
        key = (bar.symbol, bar.interval)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = LabelSeries()
        exit_long = exit_short = 0
        for rule in self._rules.values():
            if rule.runner is not None and rule.covers(bar.symbol, bar.interval):
                decision = rule.runner.decide(rule.runner.slot_of(bar.symbol), bar)
                exit_long |= (decision[3] > 0.0) << rule.bit
                exit_short |= (decision[4] > 0.0) << rule.bit
        closed = series.push(bar, exit_long, exit_short)
        self._open_count -= len(closed)
        answers = [answer for trade in closed for answer in self._closed(trade)]
        if key in self._waiting:
            answers += self._place_waiting(key, series, bar.ts)
        return answers

    def _on_reset(self, event: Reset) -> list[Answer]:
        self._bars.reset(event)
        for (symbol, _), series in self._series.items():
            if symbol == event.symbol:
                dropped = series.reset()
                self._open_count -= dropped
                self.dropped["reset"] += dropped
        for rule in self._rules.values():
            if rule.runner is not None:
                rule.runner.reset(event.symbol)
        return []

    def _on_scored(self, scored: Scored) -> list[Answer]:
        if not self._owns(scored.symbol):
            return []
        invalid = any(reason.startswith("invalid:") for reason in scored.reasons)
        rule = self._rules.get(scored.strategy)
        if invalid or rule is None or not rule.covers(scored.symbol, scored.interval):
            self.dropped["invalid" if invalid else "unknown_strategy"] += 1
            return []
        if self._real.knows(scored.signal_id):
            return []
        signal = msgspec.structs.replace(scored, inputs=b"", features={})
        answers = _real(self._real.remember(signal, rule))
        for reason in ("no_bar", "too_late"):
            if reason in scored.reasons:
                self.dropped[reason] += 1
                return answers
        return answers + self._label(signal, rule)

    def _on_trade(self, trade: Trade) -> list[Answer]:
        return _real(self._real.add(trade))

    def _on_progress(self, event: Progress) -> list[Answer]:
        if event.role == "scorer":
            known = self._scorer_progress.get(event.shard, 0)
            self._scorer_progress[event.shard] = max(known, event.event_ts)
        return []

    def _label(self, signal: Scored, rule: LabelRule) -> list[Answer]:
        key = (signal.symbol, signal.interval)
        series = self._series.get(key)
        number = WAITS if series is None else series.find(signal.ts)
        if series is None or number == WAITS:
            self._wait(key, signal, rule)
            return []
        if number < 0:
            self.dropped[{BEYOND_RING: "beyond_ring", NO_BAR: "no_bar"}[number]] += 1
            return []
        return self._place(series, number, signal, rule)

    def _wait(self, key: Key, signal: Scored, rule: LabelRule) -> None:
        if self._waiting_count >= PENDING_SIGNALS_MAX:
            self.dropped["limit"] += 1
            return
        self._waiting.setdefault(key, {}).setdefault(signal.ts, []).append((signal, rule))
        self._waiting_count += 1

    def _place_waiting(self, key: Key, series: LabelSeries, ts: int) -> list[Answer]:
        lane = self._waiting[key]
        answers: list[Answer] = []
        for due in sorted(at for at in lane if at <= ts):
            for signal, rule in lane.pop(due):
                self._waiting_count -= 1
                answers += self._label(signal, rule)
        if not lane:
            del self._waiting[key]
        return answers

    def _place(
        self, series: LabelSeries, number: int, signal: Scored, rule: LabelRule
    ) -> list[Answer]:
        atr = series.atr_at(number)
        answers = _real(self._real.learn_atr(signal.signal_id, atr))
        if signal.stop is None and atr <= 0.0:
            self.dropped["no_risk"] += 1
            return answers
        if self._open_count >= OPEN_TRADES_MAX:
            self.dropped["limit"] += 1
            return answers
        placed = series.place(signal, rule, number)
        if isinstance(placed, Closed):
            answers += self._closed(placed)
        elif placed == "reset":
            self.dropped["reset"] += 1
        else:
            self._open_count += 1
        return answers

    def _closed(self, trade: Closed) -> list[Answer]:
        prices = (trade.entry_price, trade.exit_price)
        if trade.risk > 0.0:
            figures = settle(trade.signal.side, *prices, trade.risk, trade.rule.costs)
            if math.isfinite(trade.risk) and all(map(math.isfinite, figures)):
                return [_virtual(trade, figures)]
        self.dropped["no_risk"] += 1
        return []


def _virtual(trade: Closed, figures: Figures) -> Answer:
    signal = trade.signal
    outcome = Outcome(
        signal_id=signal.signal_id,
        strategy=signal.strategy,
        symbol=signal.symbol,
        interval=signal.interval,
        ts=signal.ts,
        side=signal.side,
        accepted=signal.accepted,
        entry_ts=trade.entry_ts,
        exit_ts=trade.exit_ts,
        entry_price=trade.entry_price,
        exit_price=trade.exit_price,
        y_return=figures.y_return,
        r_multiple=figures.r_multiple,
        y_pnl_gross=figures.y_pnl_gross,
        y_pnl_net=figures.y_pnl_net,
        y_binary=figures.y_binary,
        exit_reason=trade.reason,
        virtual=True,
        probability=signal.probability,
        model=signal.model,
    )
    subject = subjects.outcome(signal.strategy, signal.symbol)
    return Answer(subject, outcome, identity=f"{signal.signal_id}:virtual")


def _real(outcome: Outcome | None) -> list[Answer]:
    if outcome is None:
        return []
    subject = subjects.outcome(outcome.strategy, outcome.symbol)
    return [Answer(subject, outcome, identity=f"{outcome.signal_id}:real")]
