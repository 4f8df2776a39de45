"""However bars and signals are packed, the scorer says the same, and names it by its row."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.answer import Answer
from engine.bar_book import AS_OF_BARS_MAX
from engine.scorer import Scorer
from engine.settings import StrategySettings
from models.feature_set import load_feature_set
from streams import subjects
from streams.columns import pack_bars, pack_signals
from streams.events import Bar, Scored, Signal
from streams.session import session
from tests.engine.market import random_bars, signal_on

ALPHA = StrategySettings(name="alpha", kind="external")
SYMBOLS = ("AAA", "BBB", "CCC")
LANES = [random_bars(symbol, 60, seed=n) for n, symbol in enumerate(SYMBOLS)]


def make_scorer(owns=lambda symbol: True) -> Scorer:
    return Scorer((ALPHA,), load_feature_set(), session("us_equity"), owns)


def scored(answers: list[Answer]) -> list[Scored]:
    return [a.event for a in answers if isinstance(a.event, Scored)]


def signals_of(lanes: list[list[Bar]]) -> list[Signal]:
    return [signal_on(bar, f"{bar.symbol}-{n}") for lane in lanes for n, bar in enumerate(lane)]


def by_subject(answers: list[Answer]) -> dict[str, list]:
    found: dict[str, list] = {}
    for answer in answers:
        found.setdefault(answer.subject, []).append(answer.event)
    return found


def alone(lanes: list[list[Bar]]) -> list[Answer]:
    scorer = make_scorer()
    answers = []
    for lane in lanes:
        for n, bar in enumerate(lane):
            answers += scorer.step(bar) + scorer.step(signal_on(bar, f"{bar.symbol}-{n}"))
    return answers


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.booleans())
def test_runs_are_answered_as_their_bars_one_by_one(lengths: list[int], is_columnar: bool):
    scorer = make_scorer()
    answers: list[Answer] = []
    for lane in LANES:
        start = 0
        for length in [*lengths, len(lane)]:
            run = lane[start : start + length]
            if not run:
                break
            answers += scorer.step(pack_bars(run))
            signals = [signal_on(bar, f"{bar.symbol}-{n}") for n, bar in enumerate(run, start)]
            if is_columnar:
                answers += scorer.step(pack_signals(signals))
            else:
                answers += [a for signal in signals for a in scorer.step(signal)]
            start += length
    assert by_subject(answers) == by_subject(alone(LANES))


def test_an_instant_across_symbols_is_answered_as_its_bars():
    scorer = make_scorer()
    answers = []
    for n, instant in enumerate(zip(*LANES, strict=True)):
        answers += scorer.step(pack_bars(list(instant)))
        answers += scorer.step(
            pack_signals([signal_on(bar, f"{bar.symbol}-{n}") for bar in instant])
        )
    assert by_subject(answers) == by_subject(alone(LANES))


def test_signals_in_columns_are_answered_by_their_rows():
    scorer = make_scorer()
    scorer.step(pack_bars(LANES[0]))
    answers = scorer.step(pack_signals([signal_on(bar, f"s{bar.ts}") for bar in LANES[0][-9:]]))
    assert [answer.row for answer in answers] == list(range(9))


def test_a_shard_answers_its_rows_under_the_numbers_they_have_for_all():
    everything = make_scorer()
    mine = make_scorer(lambda symbol: symbol == "BBB")
    instant = [lane[0] for lane in LANES]
    ahead = [signal_on(lane[0], f"{lane[0].symbol}-ahead") for lane in LANES]
    bad = msgspec.structs.replace(signal_on(LANES[1][0], "bad"), side=0)
    events = [
        pack_signals(ahead),
        pack_bars(instant),
        pack_signals([signal_on(LANES[0][0], "good"), bad]),
        pack_bars([msgspec.structs.replace(bar, close=bar.low) for bar in instant]),
    ]
    for event in events:
        said = [a for a in everything.step(event) if ".BBB" in a.subject]
        assert mine.step(event) == said


def test_a_signal_that_waits_in_the_middle_of_a_long_run_finds_its_bar():
    lane = random_bars("AAA", 3 * AS_OF_BARS_MAX, seed=1)
    scorer = make_scorer()
    waiting = [signal_on(lane[n], f"s{n}") for n in (0, 5, AS_OF_BARS_MAX, len(lane) - 1)]
    for signal in waiting:
        assert scorer.step(signal) == []
    answers = scorer.step(pack_bars(lane))
    assert [a.event.signal_id for a in answers] == [s.signal_id for s in waiting]
    assert [a.event.reasons for a in answers] == [("no_model",)] * 4
    last = AS_OF_BARS_MAX - 1
    assert [a.row for a in answers] == [last, last, last + AS_OF_BARS_MAX, len(lane) - 1]


def test_a_bad_row_costs_itself_alone():
    lane = LANES[0][:6]
    bad = [
        msgspec.structs.replace(lane[2], high=lane[2].low / 2),
        msgspec.structs.replace(lane[4], volume=lane[4].volume + 1),
    ]
    scorer = make_scorer()
    answers = scorer.step(pack_bars([*lane[:2], bad[0], *lane[2:5], bad[1], lane[5]]))
    assert [(a.row, a.event) for a in answers] == [(2, bad[0]), (6, bad[1])]
    assert all(a.subject == f"dlq.{subjects.bar('1d', 'AAA')}" for a in answers)
    for n, bar in enumerate(lane):
        (answer,) = scored(scorer.step(signal_on(bar, f"AAA-{n}")))
        assert answer.inputs == scored(alone([LANES[0]]))[n].inputs


def test_a_signal_that_waits_in_the_middle_of_a_long_mixed_frame_finds_its_bar():
    lane, other = random_bars("AAA", 3 * AS_OF_BARS_MAX, seed=1), random_bars("BBB", 1, seed=2)
    scorer = make_scorer()
    waiting = [signal_on(lane[n], f"s{n}") for n in (0, 5, AS_OF_BARS_MAX, len(lane) - 1)]
    for signal in waiting:
        assert scorer.step(signal) == []
    answers = scorer.step(pack_bars([*other, *lane]))
    assert [a.event.signal_id for a in answers] == [s.signal_id for s in waiting]
    assert [a.event.reasons for a in answers] == [("no_model",)] * 4
