"""The strategist says the same however history is cut into messages, and what the rule says."""

import math
from collections import defaultdict
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.answer import Answer
from engine.saved import Saved
from engine.strategist import Strategist
from streams import codec
from streams.columns import BarColumns, expand_signals, frame_of, pack_bars
from streams.events import Bar, Bars, Event, Reset, Signal, Signals
from tests.engine.market import random_bars
from tests.engine.signal_rule import (
    BARS,
    RULES,
    SYMBOLS,
    by_rule,
    expected,
    history,
    install_wild,
)


@pytest.fixture(scope="module", autouse=True)
def wild_strategy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        install_wild(tmp_path_factory.mktemp("strategies"), patch)
        yield


def rows_of(answer: Answer) -> list[Signal]:
    if isinstance(answer.event, Signals):
        assert answer.subject == f"signals.raw.{answer.event.strategy}._frame"
        assert len(answer.event.symbols) > 1
        return expand_signals(answer.event)
    assert answer.subject == f"signals.raw.{answer.event.strategy}.{answer.event.symbol}"
    return [answer.event]


def said(strategist: Strategist, events: list[Event]) -> dict[tuple[str, str], bytes]:
    """What a strategist says to `events`, of each strategy and symbol."""
    found: dict[tuple[str, str], list[Signal]] = defaultdict(list)
    for event in events:
        for answer in strategist.step(event):
            for signal in rows_of(answer):
                found[(signal.strategy, signal.symbol)].append(signal)
    return {key: codec.encode(signals, "msgpack") for key, signals in found.items()}


def noisy(bars: list[Bar], at: int) -> Bars:
    """The run `bars`, with rows between them that do not count."""
    bar = bars[min(at, len(bars) - 1)]
    other = msgspec.structs.replace
    noise = [
        bar,
        other(bar, close=bar.low, open=bar.high),
        other(bar, ts=bar.ts + 1, high=bar.low / 2),
        other(bar, ts=bar.ts + 1, volume=math.nan),
        other(bar, ts=-1),
    ]
    return pack_bars([*bars[: at + 1], *noise, *bars[at + 1 :]])


@st.composite
def cuttings(draw: st.DrawFn) -> list[Event]:
    """The history in windows of time, each in single bars, instants or runs, in any order."""
    bars_of = history()
    events: list[Event] = []
    at = 0
    while at < BARS:
        upto = min(BARS, at + draw(st.sampled_from([1, 2, 3, 7, 30, 64])))
        windows = [bars_of[symbol][at:upto] for symbol in draw(st.permutations(SYMBOLS))]
        instants = list(zip(*windows, strict=True))
        kind = draw(st.sampled_from(["singles", "instants", "runs", "noisy runs"]))
        if kind == "singles":
            events += [bar for instant in instants for bar in instant]
        elif kind == "instants":
            events += [pack_bars(instant) for instant in instants]
        elif kind == "runs":
            events += [pack_bars(window) for window in windows]
        else:
            events += [noisy(window, draw(st.integers(0, 9))) for window in windows]
        at = upto
    return events


@settings(max_examples=40)
@given(events=cuttings())
def test_however_history_is_cut_the_signals_are_those_of_the_rule(events):
    assert said(Strategist(RULES), events) == expected()


def test_the_rule_signals_long_and_short_with_stops_and_without():
    """What the others compare with says something."""
    wild, *_, often, _ = RULES
    made = [signal for bars in history().values() for signal in by_rule(wild, bars)]
    assert {s.side for s in made} == {1, -1}
    assert {s.stop is None for s in made} == {True, False}
    assert min(s.score for s in made) == 0.0
    assert max(s.score for s in made) == 1.0
    on_b = [signal for signal in made if signal.symbol == "BBB"]
    assert 10 < len(on_b) < len(by_rule(often, history()["BBB"])) / 2


def test_intervals_do_not_touch_each_other():
    days, hours = history(), history("1h")
    events = []
    for at in range(0, BARS, 30):
        for bars_of in (days, hours):
            events += [pack_bars(bars_of[symbol][at : at + 30]) for symbol in SYMBOLS]
    found = said(Strategist(RULES), events)
    assert found == expected() | expected(bars_of=hours)
    assert ("hourly", "AAA") in found


def test_only_owned_symbols_of_an_instant_signal():
    bars_of = history()
    events = [pack_bars(instant) for instant in zip(*bars_of.values(), strict=True)]
    found = said(Strategist(RULES, owns=lambda symbol: symbol == "BBB"), events)
    assert found == {key: signals for key, signals in expected().items() if key[1] == "BBB"}


def test_a_symbol_twice_in_an_instant_counts_once():
    bars_of = history()
    events = []
    for instant in zip(*bars_of.values(), strict=True):
        frame = pack_bars([*instant, instant[0]])
        events.append(frame)
    assert said(Strategist(RULES), events) == expected()


def test_after_a_reset_frames_begin_anew():
    bars_of = history()
    strategist = Strategist(RULES)
    first = [pack_bars(bars[:40]) for bars in bars_of.values()]
    rest = [pack_bars(bars[40:]) for bars in bars_of.values()]
    said(strategist, first)
    assert strategist.step(Reset("AAA", bars_of["AAA"][39].ts, "split")) == []
    found = said(strategist, rest)
    anew = said(Strategist(RULES), rest)
    for name in ("wild", "rsi2"):
        assert found[(name, "AAA")] == anew[(name, "AAA")]
    assert found[("wild", "BBB")] != anew[("wild", "BBB")]


def test_the_answers_to_a_frame_come_by_strategy_then_by_bar():
    bars = history()["AAA"]
    answers = Strategist(RULES).step(pack_bars(bars))
    assert [answer.event.strategy for answer in answers] == ["wild", "rsi2"]
    for answer in answers:
        ts = [signal.ts for signal in rows_of(answer)]
        assert ts == sorted(ts)
        assert answer.row == 0


def test_one_signal_of_a_frame_is_a_plain_event():
    bars = history()["BBB"][:3]
    first, second, third = (Strategist(RULES[:1]).step(pack_bars(bars[:n])) for n in (1, 2, 3))
    # The wild strategy signals on its first bar and then holds.
    [answer] = first
    assert isinstance(answer.event, Signal)
    assert answer == Strategist(RULES[:1]).step(bars[0])[0]
    assert second == third == first


def test_a_frame_of_nothing_new_is_answered_by_nothing():
    bars = history()["AAA"]
    strategist = Strategist(RULES)
    assert strategist.step(pack_bars(bars))
    assert strategist.step(pack_bars(bars)) == []
    broken = msgspec.structs.replace(pack_bars(bars), close=b"")
    assert strategist.step(broken) == []


def test_a_thousand_symbols_in_an_instant_are_one_event():
    count = 1_000
    symbols = tuple(f"S{number}" for number in range(count))
    strategist = Strategist(RULES[:1])
    walks = [random_bars(seed=number % 7, count=3) for number in range(count)]
    for at in range(3):
        rows = [walk[at] for walk in walks]
        values = np.array([(b.open, b.high, b.low, b.close, b.volume) for b in rows])
        ts = np.full(count, rows[0].ts)
        answers = strategist.step(frame_of(BarColumns(symbols, "1d", ts, values)))
        assert len(answers) <= 1
        if at == 0:
            assert answers[0].event.symbols == symbols


def travelled(saved: Saved) -> Saved:
    """What is saved after a journey through bytes."""
    facts = msgspec.msgpack.decode(msgspec.msgpack.encode(saved.facts))
    return Saved(facts, {name: array.copy() for name, array in saved.arrays.items()})


@settings(max_examples=20)
@given(events=cuttings(), at=st.integers(0, 100))
def test_a_saved_strategist_goes_on_with_the_same_answers(events, at):
    cut = len(events) * at // 100
    whole, fresh = Strategist(RULES), Strategist(RULES)
    for event in events[:cut]:
        whole.step(event)
    saved = travelled(whole.save())
    answers = [whole.step(event) for event in events[cut:]]
    fresh.load(saved)
    assert [fresh.step(event) for event in events[cut:]] == answers
    assert fresh.progress_ts == whole.progress_ts


def test_after_a_load_new_symbols_find_their_place():
    bars_of = history()
    whole, fresh = Strategist(RULES), Strategist(RULES)
    said(whole, [pack_bars(bars_of["AAA"])])
    fresh.load(travelled(whole.save()))
    events = [pack_bars(bars_of["BBB"]), pack_bars(bars_of["CCC"])]
    found = said(fresh, events)
    assert found == {key: value for key, value in expected().items() if key[1] != "AAA"}


@pytest.mark.parametrize(
    "others",
    [
        RULES[:2],
        (RULES[0], msgspec.structs.replace(RULES[1], params={"trend_ma": 2}), *RULES[2:]),
        (msgspec.structs.replace(RULES[0], overlapping=True), *RULES[1:]),
        (msgspec.structs.replace(RULES[0], name="other"), *RULES[1:]),
    ],
)
def test_what_other_strategies_saved_is_refused(others):
    whole = Strategist(RULES)
    said(whole, [pack_bars(history()["AAA"])])
    with pytest.raises(ValueError, match="saved"):
        Strategist(others).load(whole.save())
