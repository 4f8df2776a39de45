"""Outcomes do not depend on how bars and answers interleave.

INPUT and SCORED are two streams, each in order; nothing says how they meet at the labeller.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.labeller import Labeller
from engine.settings import LabelSettings, StrategySettings
from engine.strategist import Strategist
from streams.events import Bar, Reset, Scored
from tests.engine.labelling import FREE, answer_to, wire
from tests.engine.market import random_bars, signal_on

STRATEGIES = (
    StrategySettings(
        name="rsi2",
        kind="rsi2_mean_reversion",
        params={"trend_ma": 20, "entry": 45.0, "max_hold_bars": 4},
        costs=FREE,
    ),
    StrategySettings(
        name="breakout", params={"slow_clearance": 0.0, "trend_ma": 20, "max_hold_bars": 6}
    ),
)
EXTERNAL = StrategySettings(
    name="alpha",
    kind="external",
    label=LabelSettings(rule="triple_barrier", target_r=1.0, max_hold_bars=8),
)
BARS = 240


def streams(reset_at: int, stride: int) -> tuple[list[Bar | Reset], list[Scored]]:
    """INPUT and SCORED of two symbols: house strategies and an engine whose trades overlap."""
    strategist = Strategist(STRATEGIES)
    bars_in: list[Bar | Reset] = []
    scored: list[Scored] = []
    both = zip(random_bars("AAA", BARS, seed=5), random_bars("BBB", BARS, seed=6), strict=True)
    for i, instant in enumerate(both):
        if i == reset_at:
            bars_in.append(Reset("AAA", instant[0].ts, "split"))
            strategist.step(bars_in[-1])
        for bar in instant:
            bars_in.append(bar)
            scored += [answer_to(answer.event) for answer in strategist.step(bar)]
            if i % stride == 0:
                stop = {"stop": None} if i % 2 else {}
                made = signal_on(bar, f"{bar.symbol}-{i}", side=1, **stop)
                scored.append(answer_to(made))
    return bars_in, scored


def labelled(events: list) -> list[tuple[str, str, bytes]]:
    labeller = Labeller((*STRATEGIES, EXTERNAL))
    return wire([answer for event in events for answer in labeller.step(event)])


def merge(bars_in: list, scored: list, runs: list[int]) -> list:
    """Take runs from the two streams in turn until both are empty."""
    merged: list = []
    sources = [list(reversed(bars_in)), list(reversed(scored))]
    turn = 0
    while sources[0] and sources[1]:
        source, run = sources[turn % 2], runs[turn % len(runs)]
        merged += source[: -run - 1 : -1]
        del source[-run:]
        turn += 1
    return merged + sources[0][::-1] + sources[1][::-1]


def of_house_strategies(answers: list[tuple[str, str, bytes]]) -> dict[str, list[bytes]]:
    lanes: dict[str, list[bytes]] = {}
    for subject, _, payload in answers:
        if not subject.startswith("outcomes.alpha."):
            lanes.setdefault(subject, []).append(payload)
    return lanes


@settings(max_examples=40)
@given(
    runs=st.lists(st.integers(1, 200), min_size=1, max_size=30),
    reset_at=st.integers(1, BARS),
    stride=st.integers(1, 5),
)
def test_any_interleaving_gives_the_same_outcomes(runs, reset_at, stride):
    bars_in, scored = streams(reset_at, stride)
    expected = labelled(merge(bars_in, scored, [1]))
    found = labelled(merge(bars_in, scored, runs))
    assert sorted(found) == sorted(expected)
    # One position at a time: those outcomes also leave in the same order.
    assert of_house_strategies(found) == of_house_strategies(expected)


def test_the_extremes_answers_first_and_answers_last():
    bars_in, scored = streams(reset_at=150, stride=2)
    first, last = labelled([*scored, *bars_in]), labelled([*bars_in, *scored])
    assert len(first) > 100
    assert {subject.split(".")[1] for subject, _, _ in first} == {"alpha", "breakout", "rsi2"}
    assert sorted(first) == sorted(last)


def test_signals_are_accounted_for_whatever_becomes_of_them():
    bars_in, scored = streams(reset_at=150, stride=1)
    labeller = Labeller((*STRATEGIES, EXTERNAL))
    told = sum(len(labeller.step(event)) for event in [*bars_in, *scored])
    assert told + labeller.trades_open + sum(labeller.dropped.values()) == len(scored)
    assert labeller.dropped["reset"] > 0
