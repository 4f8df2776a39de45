"""Outcomes do not depend on how bars and answers interleave.

INPUT and SCORED are two streams, each in order; nothing says how they meet at the labeller.
"""

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bar_book import BarBook
from engine.bar_intake import take_bars
from engine.labeller import Labeller
from engine.settings import LabelSettings, StrategySettings
from engine.strategist import Strategist
from streams.columns import columns_of, expand_bars, expand_signals, pack_bars
from streams.events import Bar, Bars, Event, Progress, Reset, Scored, Signals
from streams.watermark import Watermark
from tests.engine.label_oracle import by_subject
from tests.engine.labelling import FREE, answer_to, wire
from tests.engine.market import DAY_NS, START_NS, random_bars, signal_on

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


HALF_DAY_NS = DAY_NS // 2


class Stage:
    """Replay in blocks of runs, with the roles reading at any pace: who has how much to read.

    The publisher, the strategies, the scorer and the labeller each take so many messages when it
    is their turn, and say then how far they are, as their shells do. The labeller takes from its
    two feeds what they let it take: never a message that has to wait.
    """

    def __init__(self, blocks: list[list[Bars]]) -> None:
        self._blocks = blocks
        self._block_ends: list[int] = []
        self.input: list[Event] = []
        self.scored: list[Event] = []
        self.strategist = Strategist(STRATEGIES)
        self._book = BarBook()
        self._strategies_said = Watermark()
        self.labeller = Labeller((*STRATEGIES, EXTERNAL), waits_for_scorer=True)
        self.said: list[tuple[str, str, bytes]] = []
        self.at = {"strategist": 0, "scorer": 0, "bars": 0, "answers": 0}
        self._said_ts = {"strategist": 0, "scorer": 0}
        self._promised_ts = 0

    def publish(self) -> bool:
        """Publish a block when the strategies have answered the last but one."""
        number = len(self._block_ends)
        if number == len(self._blocks):
            return False
        if number >= 2 and self.at["strategist"] < self._block_ends[number - 2]:
            return False
        for frame in self._blocks[number]:
            self.input.append(frame)
            bars = expand_bars(frame)
            self.input += [signal_on(one, f"{one.symbol}-{one.ts}") for one in bars[::3]]
        self._block_ends.append(len(self.input))
        return True

    def strategies(self, count: int) -> bool:
        taken = self.input[self.at["strategist"] :][:count]
        self.at["strategist"] += len(taken)
        for event in taken:
            if isinstance(event, Bars):
                self.input += [answer.event for answer in self.strategist.step(event)]
        self._say("strategies", "strategist", self.strategist.progress_ts, self.input)
        return bool(taken)

    def score(self, count: int) -> bool:
        taken = self.input[self.at["scorer"] :][:count]
        self.at["scorer"] += len(taken)
        for event in taken:
            if isinstance(event, Bars):
                take_bars(self._book, event)
            elif isinstance(event, Progress):
                self._strategies_said.note(event)
            else:
                signals = expand_signals(event) if isinstance(event, Signals) else [event]
                self.scored += [answer_to(signal) for signal in signals]
        self._say("scorer", "scorer", self._strategies_said.event_ts, self.scored)
        return bool(taken)

    def label(self, count: int) -> bool:
        """Take up to so many messages of each feed; return whether there were any to take."""
        taken = 0
        for feed, stream in (("bars", self.input), ("answers", self.scored)):
            for _ in range(count):
                while feed == "bars" and self.at[feed] < len(stream):
                    if isinstance(stream[self.at[feed]], Bars):
                        break
                    self.at[feed] += 1
                if self.at[feed] == len(stream) or self._is_held(stream[self.at[feed]]):
                    break
                self._take(stream[self.at[feed]])
                self.at[feed] += 1
                taken += 1
        return taken > 0

    def _is_held(self, event: Event) -> bool:
        if not isinstance(event, Bars):
            return self.labeller.answers_must_wait
        return self.labeller.bars_must_wait(int(columns_of(event).ts[0]))

    def _take(self, event: Event) -> None:
        answers = self.labeller.step(event)
        # What was vouched for had been said.
        assert all(answer.event.exit_ts > self._promised_ts for answer in answers)
        self.said += wire(answers)
        assert self.labeller.progress_ts >= self._promised_ts
        self._promised_ts = self.labeller.progress_ts

    def _say(self, role: str, name: str, ts: int, stream: list[Event]) -> None:
        if ts > self._said_ts[name]:
            self._said_ts[name] = ts
            stream.append(Progress(role, 0, ts, self.at[name]))

    def play(self, turns: list[tuple[str, int]]) -> None:
        """Take these turns, and then turns all round until nobody has anything to take."""
        actors = {"strategies": self.strategies, "score": self.score, "label": self.label}
        for name, count in turns:
            self.publish() if name == "publish" else actors[name](count)
        while any([self.publish(), self.strategies(9), self.score(9), self.label(9)]):
            pass


def blocks_of_runs(with_gaps: bool) -> list[list[Bars]]:
    """Blocks of 32 days of two symbols, each furthest run first; one trades by half days too."""
    days = range(BARS) if not with_gaps else [d for d in range(BARS) if d % 32 not in (29, 30, 31)]
    lanes = [
        random_bars("AAA", BARS, seed=5),
        [random_bars("BBB", BARS, seed=6)[day] for day in days if not 64 <= day < 96],
        random_bars("CCC", 2 * BARS, seed=7, interval="1h", step_ns=HALF_DAY_NS),
    ]
    blocks = []
    for first in range(0, BARS, 32):
        start, end = (START_NS + day * DAY_NS for day in (first, first + 32))
        runs = [[one for one in lane if start <= one.ts < end] for lane in lanes]
        runs = sorted((run for run in runs if run), key=lambda run: (-run[-1].ts, run[0].symbol))
        blocks.append([pack_bars(run) for run in runs])
    return blocks


@cache
def told_in_turn(with_gaps: bool) -> tuple[tuple[str, str, bytes], ...]:
    stage = Stage(blocks_of_runs(with_gaps))
    stage.play([])
    return tuple(stage.said)


TURNS = st.tuples(st.sampled_from(["publish", "strategies", "score", "label"]), st.integers(1, 40))


@settings(max_examples=40)
@given(turns=st.lists(TURNS, max_size=60), with_gaps=st.booleans())
def test_at_any_pace_blocks_go_through_without_force_and_every_subject_has_one_order(
    turns, with_gaps
):
    stage = Stage(blocks_of_runs(with_gaps))
    stage.play(turns)
    assert len(stage.said) > 100
    assert stage.at["answers"] == len(stage.scored)
    assert stage.at["bars"] == len(stage.input)
    assert by_subject(stage.said) == by_subject(list(told_in_turn(with_gaps)))
    # The last block but one is vouched for: the last is known to be whole when one follows.
    last_ts = START_NS + (BARS // 32 * 32 - 1) * DAY_NS
    assert stage.labeller.progress_ts >= last_ts - DAY_NS
