"""The threshold that is chosen keeps its false-alarm budget on streams it has not seen."""

import numpy as np
import pytest

from engine.drift.detector import parse_detector
from tests.trainers.false_alarms.profiles import overlapping, plain
from trainers.false_alarms import threshold_choice
from trainers.false_alarms.outcome_profile import OutcomeProfile
from trainers.false_alarms.run_length import RunLengths, run_lengths
from trainers.false_alarms.threshold_choice import (
    EXTRAPOLATED,
    OUTCOMES_MAX,
    SAFE_ERRORS,
    SIMULATED,
    Choice,
    Search,
    choose,
)

TARGET = 600.0
REFERENCE = 100


def chosen(
    name: str,
    profile: OutcomeProfile,
    *,
    target: float = TARGET,
    seed: int = 1,
    streams: int = 150,
    outcomes_max: int = OUTCOMES_MAX,
) -> Choice:
    search = Search(profile, outcomes_max, seed, REFERENCE, streams, lambda: None)
    return choose(name, parse_detector(name), target, search)


def run_length(name: str, threshold: float, profile: OutcomeProfile, count: int = 300):
    """The mean outcomes to a false alarm on fresh streams, and its error."""
    found = run_lengths(
        parse_detector(name),
        [threshold],
        profile,
        (99, 9),
        reference_outcomes=REFERENCE,
        count=count,
        limit=int(4 * TARGET),
    )
    means, errors = found.means()
    return float(means[0]), float(errors[0])


@pytest.mark.parametrize("profile", [plain(), overlapping()], ids=["apart", "together"])
@pytest.mark.parametrize("name", ["slope", "intercept"])
def test_an_e_detector_keeps_its_budget_and_wastes_little_of_it(name: str, profile: OutcomeProfile):
    choice = chosen(name, profile)
    assert choice.origin == SIMULATED
    assert choice.run_length is not None
    assert choice.error is not None
    assert choice.run_length - SAFE_ERRORS * choice.error >= TARGET
    mean, error = run_length(name, choice.threshold, profile)
    assert mean + 3.0 * error >= TARGET
    assert mean - 3.0 * error <= 1.4 * TARGET


def test_a_detector_without_a_budget_keeps_one_by_its_own_parameter():
    profile = plain()
    choice = chosen("page_hinkley", profile, streams=40)
    mean, error = run_length("page_hinkley", choice.threshold, profile, count=40)
    assert mean + 3.0 * error >= TARGET
    # Two steps down it is broken: the threshold is not merely high.
    lower, error = run_length("page_hinkley", choice.threshold / 1.5, profile, count=40)
    assert lower - 2.0 * error < TARGET


def test_trades_that_move_together_ask_for_a_higher_threshold_of_the_slope():
    apart, together = (
        chosen("slope", profile).threshold for profile in (plain(), overlapping(0.6, 20))
    )
    assert together > 1.1 * apart


def test_a_far_target_is_reached_from_a_nearer_one():
    profile = plain()
    near = chosen("slope", profile, outcomes_max=60_000, target=2_000.0)
    assert near.origin == EXTRAPOLATED
    direct = chosen("slope", profile, target=2_000.0)
    assert direct.origin == SIMULATED
    assert near.threshold == pytest.approx(direct.threshold, rel=0.25)


def test_a_far_target_of_a_parameter_is_reached_too(monkeypatch: pytest.MonkeyPatch):
    profile = plain()
    direct = chosen("page_hinkley", profile, streams=24, target=800.0)
    monkeypatch.setattr(threshold_choice, "FED_OUTCOMES_MAX", 15_000)
    near = chosen("page_hinkley", profile, streams=24, target=800.0)
    assert (direct.origin, near.origin) == (SIMULATED, EXTRAPOLATED)
    # Few outcomes say little: it may be too high, not too low.
    assert 0.85 * direct.threshold <= near.threshold <= 2.2 * direct.threshold


def test_the_same_seed_chooses_the_same():
    first, again, other = (chosen("slope", overlapping(), seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert other.run_length != first.run_length


def test_run_lengths_count_what_was_watched_without_an_alarm():
    lengths = RunLengths([1.0, 2.0, 3.0])
    lengths.add(np.array([10, 40, 0]), 100)
    lengths.add(np.array([20, 0, 0]), 100)
    means, errors = lengths.means()
    assert means.tolist() == [15.0, 140.0, np.inf]
    assert errors[0] == pytest.approx(5.0)
    # One alarm, or none, tells no error.
    assert np.isinf(errors[1:]).all()
