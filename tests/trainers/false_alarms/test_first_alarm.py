"""A detector's first alarm on drawn outcomes is the one that the drift watch would say."""

import msgspec
import numpy as np
import pytest

from engine.drift.detector import Reference, parse_detector
from engine.drift.drift_budget import watchers
from engine.drift.model_watch import ModelWatch
from engine.settings import DriftSettings
from streams.events import Outcome
from tests.trainers.false_alarms.profiles import overlapping, plain
from trainers.false_alarms.drift_law import LEVEL, NONE, REVERSAL
from trainers.false_alarms.first_alarm import (
    NEVER,
    DetectorAlarm,
    EvidenceAlarm,
    first_alarm,
)
from trainers.false_alarms.outcome_profile import OutcomeProfile
from trainers.false_alarms.simulated_outcomes import Drawn, SimulatedOutcomes

REFERENCE = 100
THRESHOLDS = (5.0, 50.0, 500.0, 5_000.0)
BOTH = pytest.mark.parametrize("profile", [plain(), overlapping()], ids=["apart", "together"])


def drawn_of(
    profile: OutcomeProfile, seed: int, law: str, sizes: tuple[int, ...]
) -> tuple[Reference, np.ndarray, list[Drawn]]:
    outcomes = SimulatedOutcomes(profile, np.random.default_rng(seed), law, 300)
    rows = outcomes.skip(REFERENCE)
    reference = Reference(profile.probability[rows].tolist())
    return reference, rows, [outcomes.draw(size) for size in sizes]


@BOTH
@pytest.mark.parametrize("name", ["slope", "slope:error", "intercept"])
def test_the_compiled_evidence_is_the_detector_s_own(profile: OutcomeProfile, name: str):
    named = parse_detector(name)
    reached = 0
    for seed, law in enumerate((NONE, REVERSAL, LEVEL)):
        reference, _, parts = drawn_of(profile, seed, law, (7, 800, 1, 1_200))
        fast = first_alarm(named, THRESHOLDS, reference, profile.probability)
        slow = DetectorAlarm(named, THRESHOLDS, reference, profile.probability)
        assert isinstance(fast, EvidenceAlarm)
        for part in parts:
            fast.feed(part)
            slow.feed(part)
            assert fast.is_over == slow.is_over
        # A cluster that ends with the last outcome is handed over with the one after it.
        beyond = fast.times > slow.seen
        assert np.array_equal(fast.times[~beyond], slow.times[~beyond])
        assert (slow.times[beyond] == NEVER).all()
        reached += int((fast.times != NEVER).sum())
    assert reached >= 5


@BOTH
@pytest.mark.parametrize("name", ["slope", "slope:error", "intercept", "page_hinkley"])
def test_the_first_alarm_is_that_of_the_drift_watch(profile: OutcomeProfile, name: str):
    threshold = {"page_hinkley": 1.0}.get(name, 40.0)
    settings = DriftSettings(detectors=(name,), thresholds={name: threshold})
    found = []
    for seed, law in enumerate((NONE, REVERSAL, LEVEL)):
        reference, rows, [drawn] = drawn_of(profile, seed, law, (1_500,))
        alarm = first_alarm(parse_detector(name), [threshold], reference, profile.probability)
        alarm.feed(drawn)
        found.append(int(alarm.times[0]))
        assert watched(profile, settings, rows, drawn) == found[-1]
    assert any(time != NEVER for time in found)


def watched(
    profile: OutcomeProfile, settings: DriftSettings, rows: np.ndarray, drawn: Drawn
) -> int:
    """When a watch first alarms, its reference not counted; clusters by the times of trades."""
    watch = ModelWatch(watchers(settings, 1), settings.reference_outcomes)
    for row in rows.tolist():
        watch.judge(outcome_at(0, 1), float(profile.probability[row]))
    cluster = 1
    for place, (row, y, is_end) in enumerate(zip(*map(list, drawn), strict=True), 1):
        one = msgspec.structs.replace(outcome_at(cluster, cluster + 1), y_binary=int(y))
        if any(finding.is_alarm for finding in watch.judge(one, float(profile.probability[row]))):
            return place
        cluster += bool(is_end)
    return NEVER


def outcome_at(ts: int, exit_ts: int) -> Outcome:
    return Outcome(
        signal_id="s", strategy="alpha", symbol="A", interval="1d", ts=ts, side=1, accepted=True,
        entry_ts=ts, exit_ts=exit_ts, entry_price=1.0, exit_price=1.0, y_return=0.0,
        r_multiple=0.0, y_pnl_gross=0.0, y_pnl_net=0.0, y_binary=1, exit_reason="target",
        virtual=True, probability=0.5, model="m",
    )  # fmt: skip


def test_a_threshold_that_is_a_parameter_is_asked_for_alone():
    profile = plain()
    reference = Reference(profile.probability.tolist())
    with pytest.raises(ValueError, match="page_hinkley has one threshold at a time, was 2"):
        first_alarm(parse_detector("page_hinkley"), [1.0, 2.0], reference, profile.probability)
