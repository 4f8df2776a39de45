"""The watch over answers says when inputs and scores move, once, and at no other time."""

import itertools
from collections.abc import Iterable

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.drift import score_watch
from engine.drift.score_watch import ScoreWatch
from engine.saved import Saved
from engine.settings import InputWatchSettings
from streams import layer_a
from streams.events import Drift, Event, Progress, Scored
from tests.engine.drift.answers import DIGEST, HOUR_NS, answers_of, layer_a_answers

SETTINGS = InputWatchSettings()
QUICK = InputWatchSettings(reference_signals=100, block_signals=50, budget=1_000.0)
CHANGE = 750  # behind the reference and one block of the default settings
NAMES = {DIGEST: layer_a.FEATURE_NAMES}
END = 1_000_000


def progress(hour: int, shard: int = 0, shards: int = 1) -> Progress:
    return Progress("scorer", shard, hour * HOUR_NS, 0, shards)


def run(watch: ScoreWatch, events: Iterable[Event]) -> list[Drift]:
    return [drift for event in events for drift in watch.step(event)]


def said(answers: Iterable[Scored], told: InputWatchSettings = SETTINGS) -> list[Drift]:
    return run(ScoreWatch(told, NAMES), [*answers, progress(END)])


def words(drifts: list[Drift]) -> list[tuple[str, str]]:
    return [(one.detector, one.level) for one in drifts]


def shifted(seed: int, count: int, first: int, **changes: object) -> list[Scored]:
    """Answers of the law of COV, from hour `first` on."""
    drawn = layer_a.draw(np.random.default_rng(seed), count, drift="COV")
    return answers_of(drawn.features, layer_a.sigmoid(drawn.score), first, **changes)


@pytest.mark.parametrize("seed", range(5))
def test_inputs_that_move_are_found_within_two_blocks(seed: int):
    found = said(layer_a_answers(seed, 1_750, "COV", CHANGE))
    inputs = {one.detector: one for one in found if one.detector in ("psi", "ks")}
    assert sorted(inputs) == ["ks", "psi"]
    for one in inputs.values():
        assert (one.level, one.channel, one.model) == ("detected", "inputs", "alpha-1")
        assert one.outcomes_seen <= CHANGE + 500
        assert one.changepoint_ts >= CHANGE * HOUR_NS
        assert one.statistic > one.threshold > 0.0
        assert one.false_alarm_budget == SETTINGS.budget
        assert one.ts == one.outcomes_seen * HOUR_NS
        # The first and the fifth factor, or their copies.
        assert any(name in one.detail for name in ("x00", "x04", "x08", "x12", "x16", "x20"))
        assert "of 40 features moved" in one.detail
    # While it lasts nothing is said twice.
    assert len(words(found)) == len(set(words(found)))


@pytest.mark.parametrize("drift", ["NONE", "FLIP", "DEAD", "PRIOR"])
def test_where_only_outcomes_change_nothing_is_said(drift: layer_a.Drift):
    for seed in range(3):
        assert said(layer_a_answers(10 + seed, 2_500, drift, CHANGE)) == []


def test_the_budget_holds_for_all_words_together():
    """A budget of 500 answers, over 20,000: 40 false words are allowed."""
    frugal = InputWatchSettings(reference_signals=500, block_signals=100, budget=500.0)
    found = [word for s in range(4) for word in said(layer_a_answers(50 + s, 5_000), frugal)]
    false = [one for one in found if one.level != "recovered"]
    assert len(false) <= 40
    assert false


def test_scores_that_move_are_an_early_warning():
    before = layer_a_answers(1, CHANGE)
    drawn = layer_a.draw(np.random.default_rng(2), 500)
    high = answers_of(drawn.features, layer_a.sigmoid(drawn.score + 0.8), CHANGE + 1)
    found = said([*before, *high])
    assert sorted(words(found)) == [("expected_rate", "warning"), ("score_distribution", "warning")]
    by_name = {one.detector: one for one in found}
    assert by_name["expected_rate"].channel == "calibration"
    assert by_name["expected_rate"].statistic == pytest.approx(0.19, abs=0.05)
    assert by_name["score_distribution"].channel == "inputs"
    # A model that has become unsure keeps its mean: only the distribution tells.
    unsure = answers_of(drawn.features, layer_a.sigmoid(-0.2 + 0.1 * drawn.score), CHANGE + 1)
    assert words(said([*before, *unsure])) == [("score_distribution", "warning")]


def test_recovery_is_said_once_and_a_new_change_is_told_anew():
    back = layer_a.draw(np.random.default_rng(4), 1_000)
    answers = [
        *layer_a_answers(3, CHANGE),
        *shifted(5, 500, CHANGE + 1),
        *answers_of(back.features, layer_a.sigmoid(back.score), CHANGE + 501),
        *shifted(6, 500, CHANGE + 1_501),
    ]
    found = [one for one in said(answers) if one.detector == "psi"]
    assert [one.level for one in found] == ["detected", "recovered", "detected"]
    # Two blocks without a word.
    assert found[1].outcomes_seen == CHANGE + 1_000
    assert found[1].statistic < found[1].threshold


def test_another_model_and_other_features_begin_a_new_reference():
    calm = layer_a_answers(7, 600)
    for changes in ({"model": "alpha-2"}, {"features_digest": "digest-2"}):
        later = shifted(8, 1_200, 601, **changes)
        assert said([*calm, *later]) == []
    assert said([*calm, *shifted(8, 1_200, 601)]) != []


def test_each_model_has_a_watch_of_its_own():
    bad = layer_a_answers(1, 1_500, "COV", CHANGE)
    good = layer_a_answers(2, 1_500, strategy="beta", model="beta-1")
    other = layer_a_answers(3, 1_500, symbol="BBB", model="alpha-2")
    merged = [
        msgspec.structs.replace(one, signal_id=f"{one.signal_id}{one.model}")
        for group in zip(bad, good, other, strict=True)
        for one in group
    ]
    found = said(merged)
    assert {(one.strategy, one.model) for one in found} == {("alpha", "alpha-1")}


@pytest.mark.parametrize(
    "changes",
    [
        {"reasons": ("canary",)},
        {"inputs": b""},
        {"inputs": b"\1\2\3"},
        {"probability": None, "model": None, "reasons": ("warming",)},
        {"probability": None, "model": None, "reasons": ("policy:block",)},
        {"probability": float("nan")},
    ],
    ids=["canary", "no inputs", "part of an input", "warming", "blocked", "no probability"],
)
def test_answers_that_say_nothing_of_the_model_do_not_count(changes: dict[str, object]):
    calm = layer_a_answers(7, 600)
    silent = [msgspec.structs.replace(one, **changes) for one in shifted(8, 1_200, 601)]
    watch = ScoreWatch(SETTINGS, NAMES)
    assert run(watch, [*calm, *silent, progress(END)]) == []
    assert [one.answers_seen for one in watch._watches.values()] == [600]


def test_rows_that_a_model_refused_as_strange_count_as_its_inputs():
    calm = layer_a_answers(7, 600)
    refused = shifted(8, 600, 601, probability=None, model=None, reasons=("out_of_distribution",))
    found = said([*calm, *refused])
    assert sorted(words(found)) == [("ks", "detected"), ("psi", "detected")]
    assert {one.model for one in found} == {"alpha-1"}
    # Of whom they are is known by the symbol on which somebody spoke before.
    elsewhere = [msgspec.structs.replace(one, symbol="ZZZ") for one in refused]
    assert said([*calm, *elsewhere]) == []


def test_a_crowded_instant_counts_as_one():
    """A hundred signals an hour that all carry the hour's own numbers."""
    rng = np.random.default_rng(9)
    hours = rng.standard_normal((40, 5))
    crowded = [
        msgspec.structs.replace(one, ts=(1 + i // 100) * HOUR_NS)
        for i, one in enumerate(answers_of(np.repeat(hours, 100, axis=0), np.full(4_000, 0.5)))
    ]
    watch = ScoreWatch(QUICK, NAMES)
    assert run(watch, [*crowded, progress(END)]) == []
    (one,) = watch._watches.values()
    # 4,000 answers are 40 instants, and less than a reference.
    assert (one.answers_seen, one._held, one._usual) == (4_000, 40, None)


def test_nothing_is_said_before_every_scorer_vouches_for_it():
    watch = ScoreWatch(SETTINGS, NAMES)
    answers = layer_a_answers(0, 1_750, "COV", CHANGE)
    assert run(watch, [*answers, progress(END, 0, 2)]) == []
    assert watch.progress_ts == 0
    assert run(watch, [Progress("labeller", 0, END * HOUR_NS, 0)]) == []
    before = 0
    for hour in range(100, 2_000, 100):
        for drift in watch.step(progress(hour, 1, 2)):
            assert before < drift.ts <= watch.progress_ts == hour * HOUR_NS
        before = watch.progress_ts
    assert run(watch, answers[:5]) == []
    assert watch.late == 5


def test_switched_off_it_says_nothing_but_how_far_it_is():
    watch = ScoreWatch(InputWatchSettings(enabled=False), NAMES)
    assert run(watch, [*layer_a_answers(0, 1_750, "COV", CHANGE), progress(2_000)]) == []
    assert watch.progress_ts == 2_000 * HOUR_NS


@pytest.mark.parametrize("tests", [("psi",), ("ks",), ()])
def test_only_the_tests_that_are_asked_for_are_made(tests: tuple[str, ...]):
    found = said(layer_a_answers(0, 1_750, "COV", CHANGE), InputWatchSettings(tests=tests))
    assert tuple(d for d, _ in words(found) if d in ("psi", "ks")) == tests


FAR = layer_a.draw(np.random.default_rng(12), 120)
ARRIVALS = [
    *layer_a_answers(11, 160),
    *answers_of(FAR.features + 3.0, layer_a.sigmoid(FAR.score + 3.0), 161),
    *(msgspec.structs.replace(one, reasons=("canary",)) for one in shifted(13, 20, 281)),
    *shifted(14, 60, 301, model="alpha-2"),
]


@settings(max_examples=30)
@given(data=st.data())
def test_the_order_of_arrival_changes_nothing(data: st.DataObject):
    expected = said(ARRIVALS, QUICK)
    assert expected
    watch, found = ScoreWatch(QUICK, NAMES), []
    size = data.draw(st.integers(5, 150))
    for start in range(0, len(ARRIVALS), size):
        block = ARRIVALS[start : start + size]
        arriving = data.draw(st.permutations(block))
        found += run(watch, [*arriving, *arriving[: data.draw(st.integers(0, 3))]])
        found += watch.step(progress(block[-1].ts // HOUR_NS))
    assert found + watch.step(progress(END)) == expected


@settings(max_examples=20)
@given(st.lists(st.integers(0, len(ARRIVALS)), max_size=4))
def test_a_restored_watch_says_the_same_words(cuts: list[int]):
    watch, found = ScoreWatch(QUICK, NAMES), []
    bounds = [0, *sorted(cuts), len(ARRIVALS)]
    for start, end in itertools.pairwise(bounds):
        found += run(watch, ARRIVALS[start:end])
        found += watch.step(progress(max(end - 5, 0)))
        facts = msgspec.msgpack.decode(msgspec.msgpack.encode(watch.save().facts))
        arrays = {name: array.copy() for name, array in watch.save().arrays.items()}
        watch = ScoreWatch(QUICK, NAMES)
        watch.load(Saved(facts, arrays))
    assert found + watch.step(progress(END)) == said(ARRIVALS, QUICK)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(score_watch, "WATCHES_MAX", 3)
    monkeypatch.setattr(score_watch, "LANES_MAX", 4)
    many = [
        msgspec.structs.replace(one, symbol=f"S{i}", model=f"m{i}")
        for i, one in enumerate(layer_a_answers(0, 20))
    ]
    watch = ScoreWatch(SETTINGS, NAMES)
    run(watch, [*many, progress(END)])
    assert [model for _, model in watch._watches] == ["m17", "m18", "m19"]
    assert len(watch._lanes) == 4
    monkeypatch.setattr(score_watch, "VALUES_MAX", 100_000)
    watch = ScoreWatch(SETTINGS, NAMES)
    run(watch, [*many, progress(END)])
    assert len(watch._watches) == 1


def test_a_column_without_a_name_is_told_by_its_number():
    watch = ScoreWatch(SETTINGS)
    found = run(watch, [*layer_a_answers(0, 1_750, "COV", CHANGE), progress(END)])
    assert any("column 0 " in one.detail or "column 4 " in one.detail for one in found)
