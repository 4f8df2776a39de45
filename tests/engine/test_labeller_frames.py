"""However bars are cut into messages, every signal's outcome is that of the rule, to the bit."""

from functools import cache

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import labeller as labeller_module
from engine.bar_book import AS_OF_BARS_MAX
from engine.labeller import Labeller
from engine.labels.label_kernels import RING_BARS
from engine.settings import LabelSettings, StrategySettings
from streams.columns import BarColumns, frame_of, pack_bars
from streams.events import Bar, Event, Reset, Scored, Trade
from tests.engine.label_oracle import (
    ALPHA,
    DAYS,
    HOUSE,
    RESET_DAY,
    RULES,
    Wire,
    answers,
    by_subject,
    expected,
    in_order,
    market,
    reset_ts,
    travelled,
)
from tests.engine.labelling import EXTERNAL, answered, bar, outcomes, wire
from tests.engine.market import DAY_NS, START_NS, random_bars

KINDS = ("singles", "instants", "runs", "noisy runs")


def cut(cuts: list[tuple[int, str, int]]) -> list[Event]:
    """The market in windows of so many days, each in messages of one kind; some shuffled."""
    events: list[Event] = []
    day, turn = 0, 0
    while day < DAYS:
        days, kind, seed = cuts[turn % len(cuts)]
        upto = min(day + days, DAYS)
        if day < RESET_DAY < upto:
            upto = RESET_DAY
        if day == RESET_DAY:
            events.append(Reset("AAA", reset_ts(), "split"))
        first, last = START_NS + day * DAY_NS, START_NS + upto * DAY_NS
        bars = [one for one in market() if first <= one.ts < last]
        events += messages(bars, kind, seed)
        day, turn = upto, turn + 1
    return events


def messages(bars: list[Bar], kind: str, seed: int) -> list[Event]:
    if kind == "singles":
        return list(bars)
    groups: dict[tuple, list[Bar]] = {}
    for one in bars:
        key = (one.interval, one.ts) if kind == "instants" else (one.symbol, one.interval)
        groups.setdefault(key, []).append(one)
    if kind == "instants":
        return [pack_bars(group) for group in groups.values()]
    runs = [noisy(group, seed) if kind == "noisy runs" else group for group in groups.values()]
    order = np.random.default_rng(seed).permutation(len(runs))
    return [pack_bars(runs[n]) for n in order]


def noisy(bars: list[Bar], seed: int) -> list[Bar]:
    """A run with rows between that do not count."""
    at = seed % len(bars)
    one, other = bars[at], msgspec.structs.replace
    noise = [one, other(one, close=one.low, open=one.high), other(one, ts=-1)]
    return [*bars[: at + 1], *noise, *bars[at + 1 :]]


def merged(events: list[Event], scored: list[Scored], runs: list[int]) -> list[Event]:
    """Take runs of messages from the two streams in turn."""
    found: list[Event] = []
    sources: list[list] = [list(events), list(scored)]
    turn = 0
    while sources[0] and sources[1]:
        source, run = sources[turn % 2], runs[turn % len(runs)]
        found += source[:run]
        del source[:run]
        turn += 1
    return found + sources[0] + sources[1]


def said(labeller: Labeller, events: list[Event]) -> list[Wire]:
    return wire([answer for event in events for answer in labeller.step(event)])


@cache
def bar_by_bar() -> list[Wire]:
    return said(Labeller(RULES), merged(in_order(), list(answers()), [1]))


def of_house(said: list[Wire]) -> dict[str, list[str]]:
    lanes = by_subject(said)
    return {subject: ids for subject, ids in lanes.items() if ".alpha." not in subject}


CUTS = st.lists(
    st.tuples(st.sampled_from([1, 2, 5, 30, 64]), st.sampled_from(KINDS), st.integers(0, 99)),
    min_size=1,
    max_size=8,
)
TURNS = st.lists(st.integers(1, 150), min_size=1, max_size=20)


def test_the_rule_has_much_to_say():
    """What the others compare with says something."""
    told = expected()
    assert len(told) > 300
    assert {subject.split(".")[1] for subject, _, _ in told} == {"alpha", "breakout", "rsi2"}
    reasons = {msgspec.json.decode(payload)["exit_reason"] for _, _, payload in told}
    assert reasons == {"gap", "signal", "time", "stop", "target"}


@settings(max_examples=40)
@given(cuts=CUTS, turns=TURNS)
def test_however_history_is_cut_outcomes_are_those_of_the_rule(cuts, turns):
    labeller = Labeller(RULES)
    found = said(labeller, merged(cut(cuts), list(answers()), turns))
    assert tuple(sorted(found)) == expected()
    told = len(found) + labeller.trades_open + sum(labeller.dropped.values())
    assert told == len(answers())
    # One position at a time: those outcomes also leave in the same order.
    assert of_house(found) == of_house(bar_by_bar())


@settings(max_examples=20)
@given(cuts=CUTS, turns=TURNS, at=st.integers(0, 100))
def test_a_saved_labeller_goes_on_with_the_same_answers(cuts, turns, at):
    events = merged(cut(cuts), list(answers()), turns)
    split = len(events) * at // 100
    whole = Labeller(RULES)
    said(whole, events[:split])
    fresh = travelled(whole, Labeller(RULES))
    trades = [
        Trade(one.signal_id, one.ts, one.ts + 1, one.price, one.price + 1.0, 10.0, 25.0, True)
        for one in answers()[::7]
    ]
    rest = [*events[split:], *trades]
    assert [fresh.step(event) for event in rest] == [whole.step(event) for event in rest]
    assert fresh.dropped == whole.dropped
    assert (fresh.progress_ts, fresh.trades_open) == (whole.progress_ts, whole.trades_open)
    assert fresh.answers_must_wait == whole.answers_must_wait


@pytest.mark.parametrize(
    "others",
    [
        RULES[:2],
        (msgspec.structs.replace(ALPHA, label=LabelSettings(target_r=2.0)), *HOUSE),
        (HOUSE[0], msgspec.structs.replace(HOUSE[1], params={"trend_ma": 50}), ALPHA),
    ],
)
def test_what_was_labelled_by_other_rules_is_refused(others):
    whole = Labeller(RULES)
    said(whole, cut([(64, "runs", 0)]))
    with pytest.raises(ValueError, match="saved"):
        Labeller(others).load(whole.save())


def test_parts_of_a_real_trade_and_what_was_told_survive_a_save():
    part = Trade("s1", 20, 30, 101.0, 104.0, 5.0, 25.0, False)
    last = msgspec.structs.replace(part, final=True, exit_ts=40)
    told = msgspec.structs.replace(last, signal_id="s2")
    whole = Labeller((EXTERNAL,))
    for event in (bar(1, 100, 102, 98, 101), answered(1), answered(1, "s2"), part, told):
        whole.step(event)
    fresh = travelled(whole, Labeller((EXTERNAL,)))
    assert fresh.step(told) == whole.step(told) == []
    (answer,) = fresh.step(last)
    assert whole.step(last) == [answer]
    assert fresh.step(answered(1)) == []


def test_a_run_longer_than_the_ring_loses_no_signal_that_waits_in_it():
    bars = random_bars(count=4 * RING_BARS)
    waiting = [answered(one.ts, f"s{n}", price=one.close, stop=None) for n, one in enumerate(bars)]
    alone, framed = Labeller((EXTERNAL,)), Labeller((EXTERNAL,))
    expected = said(alone, [*waiting, *bars])
    assert len(expected) > 4 * RING_BARS - 10
    found = said(framed, [*waiting, pack_bars(bars)])
    assert sorted(found) == sorted(expected)
    assert framed.dropped == alone.dropped


def test_a_frame_of_many_rows_of_few_symbols_loses_none_either():
    lanes = [random_bars(name, 2 * RING_BARS, seed=n) for n, name in enumerate(("AAA", "BBB"))]
    rows = [one for instant in zip(*lanes, strict=True) for one in instant]
    values = np.array([(one.open, one.high, one.low, one.close, one.volume) for one in rows])
    ts = np.array([one.ts for one in rows])
    frame = frame_of(BarColumns(tuple(one.symbol for one in rows), "1d", ts, values))
    waiting = [
        answered(one.ts, f"{one.symbol}-{n}", symbol=one.symbol, price=one.close, stop=None)
        for n, one in enumerate(rows)
    ]
    expected = said(Labeller((EXTERNAL,)), [*waiting, *rows])
    assert sorted(said(Labeller((EXTERNAL,)), [*waiting, frame])) == sorted(expected)


def test_waiting_signals_are_placed_by_series_then_by_time_then_as_they_came():
    closing = {"price": 100.0, "stop": 99.5}
    bars = {name: [bar(ts, 100, 101, 99, 100, name) for ts in (1, 2, 3)] for name in ("AAA", "BBB")}
    labeller = Labeller((EXTERNAL,))
    for signal_id, symbol, ts in (
        ("b1", "BBB", 1),
        ("a2", "AAA", 2),
        ("a1", "AAA", 1),
        ("a2-too", "AAA", 2),
    ):
        assert labeller.step(answered(ts, signal_id, symbol=symbol, **closing)) == []
    said_of_a = outcomes(labeller.step(pack_bars(bars["AAA"])))
    assert [one.signal_id for one in said_of_a] == ["a1", "a2", "a2-too"]
    assert [one.signal_id for one in outcomes(labeller.step(pack_bars(bars["BBB"])))] == ["b1"]


def test_what_waits_for_a_frame_of_several_symbols_is_told_in_the_order_of_their_first_bars():
    names = [f"S{n}" for n in range(20)]
    labeller = Labeller((EXTERNAL,))
    for name in reversed(names):
        labeller.step(answered(2, name, symbol=name, price=100.0, stop=99.5))
    rows = [bar(ts, 100, 101, 99, 100, name) for ts in (1, 2, 3) for name in names]
    values = np.array([(one.open, one.high, one.low, one.close, one.volume) for one in rows])
    ts = np.array([one.ts for one in rows])
    frame = frame_of(BarColumns(tuple(one.symbol for one in rows), "1d", ts, values))
    assert [one.signal_id for one in outcomes(labeller.step(frame))] == names


def test_hundreds_of_open_trades_of_several_series_close_in_order():
    names, count = ("AAA", "BBB", "CCC"), 500
    labeller = Labeller((EXTERNAL,))
    labeller.step(pack_bars([bar(1, 100, 101, 99, 100, name) for name in names]))
    for n in range(count):
        labeller.step(answered(1, f"s{n}", symbol=names[n % 3], stop=95.0 - n % 7))
    assert labeller.trades_open == count
    frame = pack_bars([bar(2, 100, 101, 90.5, 91, name) for name in names])
    found = [one.signal_id for one in outcomes(labeller.step(frame))]
    low = [n for n in range(count) if n % 7 < 5]
    assert found == [f"s{n}" for name in range(3) for n in low if n % 3 == name]
    # Their rows serve again.
    for n in range(count):
        labeller.step(answered(2, f"t{n}", symbol=names[n % 3]))
    frame = pack_bars([bar(3, 90, 91, 80, 81, name) for name in names])
    assert len(outcomes(labeller.step(frame))) == 2 * count - len(low)
    assert labeller.trades_open == 0


@settings(max_examples=30)
@given(
    trades=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 400)), min_size=1, max_size=120),
    depth=st.sampled_from([1, 3, 64]),
)
def test_many_open_trades_of_a_series_close_in_order_of_bar_then_of_entry(trades, depth):
    bars = random_bars(count=60)
    engine = StrategySettings(
        name="ext", kind="external", label=LabelSettings(target_r=1.0, max_hold_bars=9)
    )
    signals = [
        answered(bars[at].ts, f"s{n}", price=bars[at].close, stop=bars[at].close * (1 - wide / 1e4))
        for n, (at, wide) in enumerate(sorted(trades))
    ]
    labeller = Labeller((engine,))
    found = []
    for start in range(0, 60, depth):
        part = bars[start : start + depth]
        found += outcomes(labeller.step(pack_bars(part) if depth > 1 else part[0]))
        here = {one.ts for one in part}
        for signal in signals:
            if signal.ts in here:
                found += outcomes(labeller.step(signal))
    alone = []
    for signal in signals:
        one = Labeller((engine,))
        alone += outcomes([a for event in (*bars, signal) for a in one.step(event)])
    if depth > 1:
        assert sorted(found, key=lambda o: o.signal_id) == sorted(alone, key=lambda o: o.signal_id)
    else:
        # A sort keeps the order of entry among those that close in one bar.
        assert found == sorted(alone, key=lambda o: o.exit_ts)


def test_frames_hold_the_limits(monkeypatch):
    monkeypatch.setattr(labeller_module, "PENDING_SIGNALS_MAX", 6)
    monkeypatch.setattr(labeller_module, "OPEN_TRADES_MAX", 3)
    labeller = Labeller((EXTERNAL,))
    for n in range(8):
        labeller.step(answered(1 + n % 2, f"s{n}", stop=50.0))
    assert labeller.dropped == {"limit": 2}
    assert outcomes(labeller.step(pack_bars([bar(ts, 100, 101, 99, 100) for ts in (1, 2)]))) == []
    assert (labeller.trades_open, labeller.dropped) == (3, {"limit": 5})
    assert not labeller.answers_must_wait
    found = outcomes(labeller.step(pack_bars([bar(ts, 100, 101, 99, 100) for ts in range(3, 9)])))
    assert [one.signal_id for one in found] == ["s0", "s2", "s4"]
    assert labeller.trades_open == 0


def test_a_reset_between_frames_drops_what_is_open_and_forgets_the_range():
    labeller = Labeller((EXTERNAL,))
    first, second = random_bars(count=40), random_bars(count=40, seed=2, start_ns=START_NS * 2)
    labeller.step(pack_bars(first))
    labeller.step(answered(first[-1].ts, price=first[-1].close, stop=1.0))
    assert labeller.trades_open == 1
    labeller.step(Reset("AAA", first[-1].ts, "split"))
    assert (labeller.trades_open, labeller.dropped) == (0, {"reset": 1})
    anew = Labeller((EXTERNAL,))
    signal = answered(second[5].ts, "s2", price=second[5].close, stop=None)
    found = [said(one, [pack_bars(second), signal]) for one in (labeller, anew)]
    assert found[0] == found[1]
    assert len(found[0]) == 1


def test_only_owned_symbols_of_an_instant_are_labelled():
    labeller = Labeller((EXTERNAL,), owns=lambda symbol: symbol == "BBB")
    names = ("AAA", "BBB", "CCC")
    labeller.step(pack_bars([bar(1, 100, 101, 99, 100, name) for name in names]))
    for name in names:
        labeller.step(answered(1, name, symbol=name))
    found = outcomes(labeller.step(pack_bars([bar(2, 90, 91, 89, 90, name) for name in names])))
    assert [one.signal_id for one in found] == ["BBB"]


def test_a_frame_of_nothing_new_closes_nothing():
    labeller = Labeller((EXTERNAL,))
    frame = pack_bars([bar(ts, 100, 101, 99, 100) for ts in range(1, AS_OF_BARS_MAX)])
    labeller.step(frame)
    labeller.step(answered(AS_OF_BARS_MAX - 1))
    assert labeller.step(frame) == []
    assert labeller.step(msgspec.structs.replace(frame, close=b"")) == []
    assert labeller.trades_open == 1
