import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.drift import drift_monitor
from engine.drift.drift_monitor import DriftMonitor
from engine.settings import DriftSettings
from streams.errors import ConfigError
from streams.events import Progress
from tests.engine.drift.judging import (
    DAY_NS,
    SLOPE,
    drifts,
    judged,
    outcome,
    requests,
    run,
    shifted,
    stream,
    watermark,
)

FLIPPED = stream(1, 1_400, "FLIP", 1_000)


def test_a_flip_is_warned_of_then_detected_and_a_retrain_asked_for_once() -> None:
    answers = judged(FLIPPED[:1_100])
    warning, detected = drifts(answers)
    assert (warning.level, detected.level) == ("warning", "detected")
    assert warning.ts < detected.ts
    assert detected.channel == "ranking"
    assert detected.detector == "slope"
    assert detected.statistic >= detected.threshold == detected.false_alarm_budget == 10_000.0
    assert detected.model == "alpha-1"
    assert 1_000 < detected.outcomes_seen <= 1_100
    # The signal of day n exits on day n + 3: that is when it was known.
    assert detected.ts == (detected.outcomes_seen + 3) * DAY_NS
    (request,) = requests(answers)
    assert request.strategy == "alpha"
    assert request.symbol is None
    assert request.reason == "drift:slope"
    assert request.ts == detected.ts
    assert request.since_ts == detected.changepoint_ts
    assert abs(request.since_ts // DAY_NS - 1_000) <= 30
    assert len(request.request_id) == 16
    assert [a.subject for a in answers] == ["drift.alpha", "drift.alpha", "models.retrain.alpha"]


def test_a_model_that_keeps_its_word_is_left_alone() -> None:
    for seed in range(3):
        assert requests(judged(stream(10 + seed, 1_500))) == []


def test_while_drift_lasts_a_retrain_is_asked_for_again_but_not_before_the_cooldown() -> None:
    cooldown = 150
    settings = msgspec.structs.replace(
        SLOPE, detectors=("slope", "page_hinkley"), cooldown_outcomes=cooldown
    )
    answers = judged(FLIPPED, settings)
    asked = requests(answers)
    assert len(asked) >= 2
    gaps = [(b.ts - a.ts) // DAY_NS for a, b in itertools.pairwise(asked)]
    assert min(gaps) >= cooldown
    assert len({request.request_id for request in asked}) == len(asked)
    # Each dates the one change, the later ones with more to go by.
    assert all(abs(request.since_ts // DAY_NS - 1_000) <= 40 for request in asked)
    levels = [(d.detector, d.level) for d in drifts(answers)]
    assert levels.count(("slope", "detected")) == 1
    assert levels.count(("page_hinkley", "detected")) == 1


def test_a_new_model_is_watched_anew_and_recovery_is_said_once() -> None:
    after = shifted(stream(2, 600), 1_400, model="alpha-2")
    answers = judged(FLIPPED + after)
    recovered = [d for d in drifts(answers) if d.level == "recovered"]
    assert [(d.model, d.detector) for d in recovered] == [("alpha-2", "slope")]
    assert recovered[0].ts == after[0].exit_ts
    assert [a for a in answers if a.event.ts > after[0].exit_ts] == []  # type: ignore[union-attr]


def test_a_model_is_judged_by_its_own_outcomes_only() -> None:
    good = stream(3, 1_400, symbol="BBB", model="alpha-good")
    assert {d.model for d in drifts(judged(FLIPPED + good))} == {"alpha-1"}


def test_outcomes_of_a_replaced_model_no_longer_count() -> None:
    bad = stream(1, 1_400, "FLIP", 1_000)
    # Another model has scored this symbol since day 900; the old one's trades exit later.
    newer = shifted(stream(4, 40), 900, model="alpha-2")
    slow = [msgspec.structs.replace(o, ts=o.ts - 600 * DAY_NS) for o in bad[1_000:]]
    assert drifts(judged(bad[:900] + newer + slow)) == []


def test_a_model_that_returns_is_watched_anew() -> None:
    other = shifted(stream(5, 50), 1_400, model="alpha-2")
    again = shifted(stream(6, 500, "FLIP"), 1_450, model="alpha-1")
    first, second = [d for d in drifts(judged(FLIPPED + other + again)) if d.level == "detected"]
    assert (first.model, second.model) == ("alpha-1", "alpha-1")
    assert first.ts < other[0].exit_ts
    # It is wrong from its return on, and found out behind a reference of its own.
    assert second.outcomes_seen > SLOPE.reference_outcomes
    assert second.ts > again[SLOPE.reference_outcomes].exit_ts


@pytest.mark.parametrize("changes", [{"virtual": False}, {"model": None}, {"probability": None}])
def test_outcomes_that_no_model_spoke_on_are_not_judged(changes: dict[str, object]) -> None:
    assert judged([msgspec.structs.replace(o, **changes) for o in FLIPPED]) == []


def test_nothing_is_said_before_every_labeller_vouches_for_it() -> None:
    monitor = DriftMonitor(SLOPE)
    assert run(monitor, [*FLIPPED, watermark(100_000, shard=0, shards=2)]) == []
    assert monitor.progress_ts == 0
    assert drifts(run(monitor, [watermark(1_400, shard=1, shards=2)])) != []
    assert monitor.progress_ts == 1_400 * DAY_NS
    assert run(monitor, [Progress("scorer", 0, 9_999 * DAY_NS, 0)]) == []
    assert monitor.progress_ts == 1_400 * DAY_NS


def test_everything_said_lies_within_the_progress() -> None:
    monitor = DriftMonitor(msgspec.structs.replace(SLOPE, maturity_days=10.0))
    run(monitor, list(FLIPPED))
    before = 0
    for day in range(0, 1_500, 50):
        for answer in monitor.step(watermark(day)):
            ts = answer.event.ts  # type: ignore[union-attr]
            assert before < ts <= monitor.progress_ts
        before = monitor.progress_ts


def test_fast_losers_are_no_drift_once_cohorts_are_judged_when_matured() -> None:
    """Losers exit after a day, winners after forty: young cohorts are nearly all losers."""
    base = stream(7, 2_000, ts=DAY_NS)
    calm = [
        msgspec.structs.replace(
            o,
            ts=(1 + i // 40) * DAY_NS,
            exit_ts=(1 + i // 40 + (40 if o.y_binary else 1)) * DAY_NS,
        )
        for i, o in enumerate(base)
    ]
    assert requests(judged(calm, msgspec.structs.replace(SLOPE, maturity_days=40.0))) == []


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_monitor, "WATCHES_MAX", 3)
    monkeypatch.setattr(drift_monitor, "LANES_MAX", 4)
    monitor = DriftMonitor(SLOPE)
    many = [outcome(i, 0.5, 1, symbol=f"S{i}", model=f"m{i}") for i in range(1, 50)]
    run(monitor, [*many, watermark(100)])
    assert len(monitor._watches) == 3
    assert len(monitor._lanes) == 4


def test_an_unknown_detector_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="'slop' is not known: did you mean slope"):
        DriftMonitor(DriftSettings(detectors=("slop",)))


ARRIVALS = stream(8, 330, "FLIP", 150)
SMALL = DriftSettings(
    detectors=("slope", "intercept"), budget=50.0, reference_outcomes=20, cooldown_outcomes=5
)


@settings(max_examples=20)
@given(data=st.data())
def test_the_order_of_arrival_changes_nothing(data: st.DataObject) -> None:
    """Within what the watermark promises, any order, any repeats, any pauses."""
    expected = judged(ARRIVALS, SMALL)
    assert len({request.action for request in requests(expected)}) > 1
    monitor = DriftMonitor(SMALL)
    answers = []
    block = data.draw(st.integers(5, 150))
    for start in range(0, len(ARRIVALS), block):
        arriving = data.draw(st.permutations(ARRIVALS[start : start + block]))
        repeats = data.draw(st.integers(0, 3))
        answers += run(monitor, [*arriving, *arriving[:repeats]])
        # The next block's first signal exits three days after its day, block + start + 1.
        answers += monitor.step(watermark(start + block + data.draw(st.integers(0, 3))))
    answers += monitor.step(watermark(100_000))
    assert answers == expected
