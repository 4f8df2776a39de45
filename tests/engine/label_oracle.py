"""Outcomes by the rule, told one signal and one bar at a time in Python: to compare with.

And a market to tell them of: four series with gaps and resets, strategies of the house and an
engine whose trades overlap.
"""

from collections.abc import Iterator
from functools import cache

import msgspec
import numpy as np

from engine.answer import Answer
from engine.indicators import ATR_BARS
from engine.labeller import Labeller
from engine.saved import Saved
from engine.settings import CostSettings, LabelSettings, StrategySettings
from engine.strategist import Strategist
from engine.strategy import DECISION_SIZE, EXIT_LONG, EXIT_SHORT, load_strategy
from engine.trade import REASON_NAMES, TRADE, advance, new_trade, settle, stop_of
from streams.events import Bar, Event, Outcome, Reset, Scored, Signal
from tests.engine.labelling import FREE, answer_to, wire
from tests.engine.market import DAY_NS, START_NS, random_bars, signal_on

HOUSE = (
    StrategySettings(
        name="rsi2",
        kind="rsi2_mean_reversion",
        params={"trend_ma": 0, "entry": 40.0, "max_hold_bars": 4},
        symbols=("AAA", "CCC"),
        costs=FREE,
    ),
    StrategySettings(
        name="breakout", params={"slow_clearance": 0.0, "trend_ma": 20, "max_hold_bars": 6}
    ),
)
ALPHA = StrategySettings(
    name="alpha",
    kind="external",
    label=LabelSettings(rule="triple_barrier", target_r=1.0, max_hold_bars=8),
    costs=CostSettings(bps_per_side=3.0, slippage_ticks=1.0),
)
RULES = (*HOUSE, ALPHA)
DAYS = 150
RESET_DAY = 70
GAP = range(90, 100)

Lane = tuple[str, str]
Wire = tuple[str, str, bytes]


@cache
def market() -> tuple[Bar, ...]:
    """All bars in order of time: three daily series, with holes, and one of half days."""
    daily = [random_bars(name, DAYS, seed=11 + n) for n, name in enumerate(("AAA", "BBB", "CCC"))]
    half = random_bars("AAA", 2 * DAYS, seed=3, interval="1h", step_ns=DAY_NS // 2)
    bars = [bar for series in (*daily, half) for bar in series if not _is_missing(bar)]
    return tuple(sorted(bars, key=lambda bar: (bar.ts, bar.symbol, bar.interval)))


def _is_missing(bar: Bar) -> bool:
    day = (bar.ts - START_NS) // DAY_NS
    starts_late = bar.symbol == "CCC" and day < 20
    return starts_late or (bar.symbol == "BBB" and (day % 17 == 5 or day in GAP))


def reset_ts() -> int:
    """When AAA is reset: before the bars of this instant."""
    return START_NS + RESET_DAY * DAY_NS


@cache
def answers() -> tuple[Scored, ...]:
    """The answers to all signals made on the market, in order of INPUT."""
    strategist = Strategist(HOUSE)
    made: list[Scored] = []
    is_reset = False
    for number, bar in enumerate(market()):
        if bar.ts >= reset_ts() and not is_reset:
            strategist.step(Reset("AAA", bar.ts, "split"))
            is_reset = True
        for answer in strategist.step(bar):
            assert isinstance(answer.event, Signal)
            made.append(answer_to(answer.event))
        made += [answer_to(one, accepted=False) for one in engine_signals(number, bar)]
    return tuple(made)


def engine_signals(number: int, bar: Bar) -> Iterator[Signal]:
    """What the engine says at a bar: long and short, some without a stop, some on no bar."""
    if number % 3 == 0:
        # Some so near that the next open lies beyond.
        side, far = (-1, 0.02) if number % 2 else (1, 0.03)
        far = 0.001 if number % 5 == 0 else far
        stop = bar.close * (1.0 - side * far)
        yield signal_on(bar, f"a-{number}", "alpha", side=side, stop=stop)
    if number % 4 == 0:
        yield signal_on(bar, f"b-{number}", "alpha", stop=None)
    if number % 50 == 0:
        yield signal_on(bar, f"nowhere-{number}", "alpha", ts=bar.ts + 1)


class Oracle:
    """Labels one signal at a time, knowing all bars of its series."""

    def __init__(self, rules: tuple[StrategySettings, ...], events: list[Event]) -> None:
        self._rules = {rule.name: rule for rule in rules}
        self._bars: dict[Lane, list[tuple[Bar, int]]] = {}
        epochs: dict[str, int] = {}
        for event in events:
            if isinstance(event, Reset):
                epochs[event.symbol] = epochs.get(event.symbol, 0) + 1
            elif isinstance(event, Bar):
                lane = (event.symbol, event.interval)
                self._bars.setdefault(lane, []).append((event, epochs.get(event.symbol, 0)))
        self._exits = {
            (rule.name, lane): self._exits_of(rule, bars)
            for rule in rules
            for lane, bars in self._bars.items()
            if rule.kind != "external"
        }

    def label(self, scored: Scored) -> Outcome | None:
        """Return a signal's outcome, None where it has none (yet)."""
        lane = (scored.symbol, scored.interval)
        bars, rule = self._bars[lane], self._rules[scored.strategy]
        number = next((n for n, (bar, _) in enumerate(bars) if bar.ts >= scored.ts), None)
        if number is None or bars[number][0].ts != scored.ts:
            return None
        stop = stop_of(
            scored.side,
            scored.price,
            scored.stop,
            self._atr(bars, number),
            rule.label.stop_atr_mult,
        )
        is_own = rule.kind != "external"
        hold, target = rule.label.max_hold_bars, rule.label.target_r
        if is_own:
            hold, target = int(dict(rule.params)["max_hold_bars"]), 0.0
        trades = np.zeros(1, dtype=TRADE).view(np.recarray)
        trades[0] = new_trade(
            side=scored.side,
            price=scored.price,
            stop=stop,
            target_r=target,
            max_hold_bars=hold,
            rule=-1,
        )
        for n in range(number + 1, len(bars)):
            bar, epoch = bars[n]
            if epoch != bars[number][1]:
                return None
            flag = is_own and self._exits[(scored.strategy, lane)][n][scored.side < 0]
            if advance(trades[0], bar.ts, bar.open, bar.high, bar.low, bar.close, bool(flag)):
                return _outcome(scored, trades[0], rule)
        return None

    @staticmethod
    def _atr(bars: list[tuple[Bar, int]], number: int) -> float:
        epoch = bars[number][1]
        ranges = []
        for n in range(max(0, number - ATR_BARS + 1), number + 1):
            bar = bars[n][0]
            if bars[n][1] != epoch:
                continue
            has_before = n > 0 and bars[n - 1][1] == epoch
            before = bars[n - 1][0].close if has_before else bar.high
            high, low = (max(bar.high, before), min(bar.low, before))
            ranges.append(high - low if has_before else bar.high - bar.low)
        return float(sum(ranges) / len(ranges))

    @staticmethod
    def _exits_of(rule: StrategySettings, bars: list[tuple[Bar, int]]) -> list[tuple[bool, bool]]:
        strategy = load_strategy(rule.rule_name)
        params = strategy.vector(strategy.decode_params(dict(rule.params), "params"))
        states, out, epoch = strategy.new_states(1), np.zeros(DECISION_SIZE), 0
        found = []
        for bar, at in bars:
            if at != epoch:
                states[:] = 0.0
                epoch = at
            prices = (bar.open, bar.high, bar.low, bar.close, bar.volume)
            strategy.update(states, 0, bar.ts, *prices, params, out)
            found.append((out[EXIT_LONG] > 0.0, out[EXIT_SHORT] > 0.0))
        return found


def _outcome(scored: Scored, trade: np.record, rule: StrategySettings) -> Outcome:
    entry, exit_ = float(trade.entry_price), float(trade.exit_price)
    figures = settle(scored.side, entry, exit_, float(trade.risk), rule.costs)
    return Outcome(
        signal_id=scored.signal_id,
        strategy=scored.strategy,
        symbol=scored.symbol,
        interval=scored.interval,
        ts=scored.ts,
        side=scored.side,
        accepted=scored.accepted,
        entry_ts=int(trade.entry_ts),
        exit_ts=int(trade.exit_ts),
        entry_price=entry,
        exit_price=exit_,
        y_return=figures.y_return,
        r_multiple=figures.r_multiple,
        y_pnl_gross=figures.y_pnl_gross,
        y_pnl_net=figures.y_pnl_net,
        y_binary=figures.y_binary,
        exit_reason=REASON_NAMES[int(trade.reason)],
        virtual=True,
        probability=scored.probability,
        model=scored.model,
    )


def in_order() -> list[Event]:
    """The market bar by bar, with its reset."""
    bars = market()
    at = next(n for n, bar in enumerate(bars) if bar.ts >= reset_ts())
    return [*bars[:at], Reset("AAA", reset_ts(), "split"), *bars[at:]]


@cache
def expected() -> tuple[Wire, ...]:
    """Every virtual outcome of the market by the rule, as it reaches the bus, sorted."""
    oracle = Oracle(RULES, in_order())
    told = [outcome for one in answers() if (outcome := oracle.label(one)) is not None]
    return tuple(
        sorted(
            wire(
                [
                    Answer(f"outcomes.{o.strategy}.{o.symbol}", o, "", f"{o.signal_id}:virtual")
                    for o in told
                ]
            )
        )
    )


def by_subject(said: list[Wire]) -> dict[str, list[str]]:
    """The ids of outcomes in the order in which each subject carried them."""
    lanes: dict[str, list[str]] = {}
    for subject, identity, _ in said:
        lanes.setdefault(subject, []).append(identity)
    return lanes


def travelled(labeller: Labeller, fresh: Labeller) -> Labeller:
    """A fresh labeller that goes on from what another saved, by way of bytes."""
    saved = labeller.save()
    facts = msgspec.msgpack.decode(msgspec.msgpack.encode(saved.facts))
    fresh.load(Saved(facts, {name: array.copy() for name, array in saved.arrays.items()}))
    return fresh
