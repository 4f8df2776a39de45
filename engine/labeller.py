"""The labeller: what became of every signal, let through or not, by one rule.

A pure state machine that reads two streams, INPUT (bars, resets, real trades) and SCORED
(answers, the scorers' progress), in whatever order they reach it. An answer whose bar is not
known yet waits for it; one that comes after later bars is walked forward over them. Either way
its outcome is the same, byte for byte, and so it is however bars are cut into messages.

What a frame closes is told first, in order of bar, then of entry; then the signals that waited for
its bars are placed, series by series, in order of ts, then of arrival. So of bars that wait where
`must_wait` says so, the outcomes of a subject leave in one order.

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
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np

from engine.answer import Answer
from engine.bar_book import AS_OF_BARS_MAX, BarBook
from engine.bar_intake import take_bars
from engine.bar_kernels import is_valid
from engine.labels.label_exits import LabelExits
from engine.labels.label_kernels import (
    BEYOND_RING,
    HAS_CLOSED,
    NO_BAR,
    NO_RISK,
    NO_ROOM,
    WAITS,
    WAS_RESET,
    Ints,
)
from engine.labels.label_rule import label_rules
from engine.labels.label_series import Ending, LabelSeries
from engine.labels.label_waiting import LabelWaiting
from engine.labels.labelled_signal import LabelledSignal, signal_of
from engine.labels.real_trades import RealTrades
from engine.saved import Saved
from engine.settings import StrategySettings
from engine.skew_audit import SkewAudit
from engine.trade import REASON_NAMES, settle
from streams import subjects
from streams.columns import columns_of
from streams.errors import WireError
from streams.events import Bar, Bars, Event, Outcome, Progress, Reset, Scored, Trade
from streams.watermark import Watermark

PENDING_SIGNALS_MAX = 50_000
OPEN_TRADES_MAX = 100_000

_DROPPED_AS = {
    BEYOND_RING: "beyond_ring",
    NO_BAR: "no_bar",
    NO_RISK: "no_risk",
    NO_ROOM: "limit",
    WAS_RESET: "reset",
}


class Labeller:
    """Labels the signals of `settings`' strategies on the symbols that `owns` says are its own.

    With `waits_for_scorer` nothing is promised before a scorer has reported progress: set it
    wherever scorers publish theirs, so that bars read ahead of the answers promise nothing.
    `audit` makes a skew audit on the labeller's own bars: its word goes out with the outcomes.
    Raises ConfigError for an unknown kind or parameter.
    """

    def __init__(
        self,
        settings: tuple[StrategySettings, ...],
        owns: Callable[[str], bool] = lambda symbol: True,
        *,
        waits_for_scorer: bool = False,
        audit: Callable[[BarBook], SkewAudit] | None = None,
    ) -> None:
        self._owns = owns
        self._waits_for_scorer = waits_for_scorer
        self._rules = label_rules(settings)
        self._bars = BarBook()
        self._audit = audit(self._bars) if audit is not None else None
        self._exits = LabelExits(self._rules.values(), owns)
        self._series = LabelSeries(owns)
        self._waiting = LabelWaiting()
        self._real = RealTrades()
        self._scorer_said = Watermark()
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
        if self._scorer_said.shards:
            return min(self._bars.complete_ts, self._scorer_said.event_ts)
        return 0 if self._waits_for_scorer else self._bars.complete_ts

    def must_wait(self, event: Bar | Bars) -> bool:
        """Whether bars come before all answers to the instant known last.

        Then INPUT waits for SCORED: outcomes leave in the same order however the two arrive. Of a
        frame the earliest row counts that is later than its series' last; what is invalid does not.
        """
        if isinstance(event, Bar):
            return self.bars_must_wait(event.ts) and is_valid(*msgspec.structs.astuple(event)[2:])
        first_ts = int.from_bytes(event.ts[:8], "little", signed=True)
        if first_ts > self._bars.newest_ts and not self.bars_must_wait(first_ts):
            return False
        try:
            columns = columns_of(event)
        except WireError:
            return False
        if columns.ts.max() <= self._bars.newest_ts:
            return False
        return self.bars_must_wait(self._bars.first_new_ts(columns))

    def bars_must_wait(self, ts: int) -> bool:
        """Whether new bars of instant `ts` come before all answers to the instant known last."""
        newest_ts = self._bars.newest_ts
        if ts <= newest_ts:
            return False
        if self._scorer_said.shards:
            return newest_ts > self._scorer_said.event_ts
        return self._waits_for_scorer and newest_ts > 0

    @property
    def answers_must_wait(self) -> bool:
        """Whether half as many signals wait for bars as may: SCORED should wait for INPUT."""
        return self._waiting.count > PENDING_SIGNALS_MAX // 2

    @property
    def trades_open(self) -> int:
        """How many trades wait for their exit."""
        return self._series.trades_open

    def step(self, event: Event) -> list[Answer]:
        """Take one event of INPUT or SCORED and return the outcomes to publish.

        Raises WireError `trade` for a real trade that cannot be honoured.
        """
        handler = self._steps.get(type(event))
        return handler(event) if handler else []

    def save(self) -> Saved:
        """Return all that the core knows, for `load`."""
        facts = {
            "rules": self._said_of_rules(),
            "waiting": self._waiting.save(),
            "real": self._real.save(),
            "scorer": self._scorer_said.save(),
            "dropped": dict(self.dropped),
        }
        parts = {
            "bars": self._bars.save(),
            "exits": self._exits.save(),
            "series": self._series.save(),
        }
        if self._audit is not None:
            parts["audit"] = self._audit.save()
        return Saved.of(facts, **parts)

    def load(self, saved: Saved) -> None:
        """Go on from `saved`, in a fresh labeller.

        Raises ValueError where signals were labelled by other rules.
        """
        rules = self._said_of_rules()
        if saved.facts["rules"] != rules:
            raise ValueError(f"{saved.facts['rules']} was saved, {rules} is configured")
        self._bars.load(saved.part("bars"))
        self._exits.load(saved.part("exits"))
        self._series.load(saved.part("series"), self._rules)
        self._waiting.load(saved.facts["waiting"], self._rules)
        self._real.load(saved.facts["real"], self._rules)
        self._scorer_said.load(saved.facts["scorer"])
        if self._audit is not None:
            self._audit.load(saved.part("audit"))
        self.dropped = Counter(saved.facts["dropped"])

    def _said_of_rules(self) -> list[list[Any]]:
        """What outcomes depend on, beside the runners of the rules; costs are those of today."""
        return [
            [rule.name, rule.bit, rule.target_r, rule.max_hold_bars, rule.stop_atr_mult]
            for rule in self._rules.values()
        ]

    def _on_bars(self, event: Bar | Bars) -> list[Answer]:
        bars = take_bars(self._bars, event)
        if bars is None:
            return []
        exits = self._exits.of(bars, self._bars)
        if self._audit is not None:
            self._audit.take(bars)
        answers: list[Answer] = []
        rows = len(bars.slots)
        # A signal that waits in the middle of a long run must still find its bar in the ring.
        is_long = rows > AS_OF_BARS_MAX and np.bincount(bars.slots).max() > AS_OF_BARS_MAX
        part = AS_OF_BARS_MAX if is_long else rows
        for start in range(0, rows, part):
            stop = min(start + part, rows)
            for signal, ending in self._series.push(bars, self._bars, exits, start, stop):
                self._tell(signal, ending, answers)
            if self._waiting.count:
                self._place_waiting(bars.slots[start:stop], bars.ts[start:stop], answers)
        return answers

    def _place_waiting(self, slots: Ints, ts: Ints, answers: list[Answer]) -> None:
        newest = dict(zip(slots.tolist(), ts.tolist(), strict=True))
        names = {self._bars.name_of(slot): slot for slot in newest}
        for slot in sorted(names[name] for name in names.keys() & self._waiting.names):
            for signal in self._waiting.leave(self._bars.name_of(slot), newest[slot]):
                self._place(signal, answers)

    def _on_reset(self, event: Reset) -> list[Answer]:
        slots = self._bars.reset(event)
        if self._audit is not None:
            self._audit.forget(slots)
        self._exits.reset(event.symbol)
        dropped = self._series.reset(event.symbol)
        if dropped:
            self.dropped["reset"] += dropped
        return []

    def _on_scored(self, scored: Scored) -> list[Answer]:
        if not self._owns(scored.symbol):
            return []
        why = _why_not(scored.reasons) if scored.reasons else ""
        rule = self._rules.get(scored.strategy)
        if why == "invalid" or rule is None or not rule.covers(scored.symbol, scored.interval):
            self.dropped[why if why == "invalid" else "unknown_strategy"] += 1
            return []
        if self._real.knows(scored.signal_id):
            return []
        signal = signal_of(scored, rule, b"" if self._audit is None else scored.inputs)
        answers = _real(self._real.remember(signal))
        if why:
            self.dropped[why] += 1
        else:
            self._place(signal, answers)
        return answers

    def _on_trade(self, trade: Trade) -> list[Answer]:
        return _real(self._real.add(trade))

    def _on_progress(self, event: Progress) -> list[Answer]:
        if event.role == "scorer":
            self._scorer_said.note(event)
        return []

    def _place(self, signal: LabelledSignal, answers: list[Answer]) -> None:
        """Enter the trade of a signal, or let it wait for its bar."""
        series = self._series
        home = series.home_of(signal.symbol, signal.interval)
        has_room = series.trades_open < OPEN_TRADES_MAX
        state = WAITS if home < 0 else series.place(home, signal, has_room=has_room)
        if state == WAITS:
            self._wait(signal)
            return
        if self._audit is not None and signal.inputs:
            answers += self._audit.check(signal)
            signal.inputs = b""
        if signal.stop is None and state not in (NO_BAR, BEYOND_RING):
            answers += _real(self._real.learn_stop(signal.signal_id, series.stop()))
        if state == HAS_CLOSED:
            self._tell(signal, series.ending(), answers)
        elif state < HAS_CLOSED:
            self.dropped[_DROPPED_AS[state]] += 1

    def _wait(self, signal: LabelledSignal) -> None:
        if self._waiting.count >= PENDING_SIGNALS_MAX:
            self.dropped["limit"] += 1
            signal.inputs = b""
            return
        self._waiting.add(signal)

    def _tell(self, signal: LabelledSignal, ending: Ending, answers: list[Answer]) -> None:
        """Say what became of a signal, unless no finite figures can be made of it."""
        entry_ts, exit_ts, entry, exit_, risk, reason = ending
        if risk > 0.0:
            figures = settle(signal.side, entry, exit_, risk, signal.rule.costs.of(signal.symbol))
            if math.isfinite(risk) and all(map(math.isfinite, figures)):
                y_return, gross, net, r_multiple, y_binary = figures
                outcome = Outcome(
                    signal.signal_id,
                    signal.strategy,
                    signal.symbol,
                    signal.interval,
                    signal.ts,
                    signal.side,
                    signal.accepted,
                    entry_ts,
                    exit_ts,
                    entry,
                    exit_,
                    y_return,
                    r_multiple,
                    gross,
                    net,
                    y_binary,
                    REASON_NAMES[reason],
                    True,
                    signal.probability,
                    signal.model,
                    signal.canary,
                )
                subject = _subject(signal.strategy, signal.symbol)
                answers.append(Answer(subject, outcome, "", f"{signal.signal_id}:virtual"))
                return
        self.dropped["no_risk"] += 1


def _why_not(reasons: tuple[str, ...]) -> str:
    """Return why an answered signal gets no virtual outcome, "" where it gets one."""
    for reason in reasons:
        if reason.startswith("invalid:"):
            return "invalid"
    for reason in ("no_bar", "too_late"):
        if reason in reasons:
            return reason
    return ""


@lru_cache(maxsize=65_536)
def _subject(strategy: str, symbol: str) -> str:
    return subjects.outcome(strategy, symbol)


def _real(outcome: Outcome | None) -> list[Answer]:
    if outcome is None:
        return []
    subject = _subject(outcome.strategy, outcome.symbol)
    return [Answer(subject, outcome, identity=f"{outcome.signal_id}:real")]
