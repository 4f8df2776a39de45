"""The e-detectors: their arithmetic by hand, and the promise their budget makes."""

import itertools
import math
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.detectors import intercept, slope
from engine.drift.detector import Reference, log_odds
from engine.drift.e_detector import EDetector
from engine.drift.outcome_stream import make_stream
from engine.drift.rising_mean import RisingMean
from streams import layer_a

BUDGET = 10_000.0
BLOCK = 10


def sigmoid(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-log_odds))


def residual(probability: float, outcome: int) -> float:
    return make_stream("residual", Reference([0.5]))(probability, outcome)


def test_the_slope_statistic_is_the_weighted_mean_of_its_bets() -> None:
    detector = slope.make(BUDGET, Reference([0.5]), "residual")
    # l̄ = 0 and l = log 3: the model is held to σ(.95 log 3), each bet says σ(κ log 3).
    held = sigmoid(0.95 * math.log(3.0))
    bets = [sigmoid(slope * math.log(3.0)) for slope in (0.0, -0.5, -1.0, -2.0)]
    detector.update(residual(0.75, 0))
    first = [(1.0 - q) / (1.0 - held) for q in bets]
    assert detector.statistic == pytest.approx(np.dot(slope.WEIGHTS, first))
    detector.update(residual(0.75, 1))
    second = [(one + 1.0) * q / held for one, q in zip(first, bets, strict=True)]
    assert detector.statistic == pytest.approx(np.dot(slope.WEIGHTS, second))
    assert sum(slope.WEIGHTS) == pytest.approx(1.0)


def test_the_slope_is_turned_about_the_mean_of_the_reference() -> None:
    detector = slope.make(BUDGET, Reference([0.3]), "residual")
    detector.update(residual(0.3, 1))
    # All bets agree with the model there.
    assert detector.statistic == pytest.approx(1.0, rel=1e-6)
    assert detector.outcomes_since_change <= 1


def test_the_intercept_statistic_is_the_mean_of_both_directions() -> None:
    detector = intercept.make(BUDGET, Reference([0.5]), "residual")
    detector.update(residual(0.5, 1))
    above, below = sigmoid(0.35) / sigmoid(0.1), sigmoid(-0.35) / sigmoid(-0.1)
    assert detector.statistic == pytest.approx((above + below) / 2.0)
    # Two trades at once: the mean of their ratios, on two outcomes' worth of new evidence.
    detector.update_many([residual(0.5, 1), residual(0.5, 0)])
    up = (above + (1.0 - sigmoid(0.35)) / (1.0 - sigmoid(0.1))) / 2.0
    down = (below + (1.0 - sigmoid(-0.35)) / (1.0 - sigmoid(-0.1))) / 2.0
    expected = ((above + 2.0) * up + (below + 2.0) * down) / 2.0
    assert detector.statistic == pytest.approx(expected)


def expected_statistic(detector: EDetector, said: list[float], truth: list[float]) -> float:
    """The mean of the statistic over all outcomes of predictions `said`, each of chance `truth`."""
    total = 0.0
    start = detector.save()
    for happened in itertools.product((0, 1), repeat=len(said)):
        detector.load(start)
        chance = 1.0
        for probability, chance_of_one, outcome in zip(said, truth, happened, strict=True):
            detector.update(residual(probability, outcome))
            chance *= chance_of_one if outcome else 1.0 - chance_of_one
        total += chance * detector.statistic
    return total


@given(said=st.lists(st.floats(0.05, 0.95), min_size=1, max_size=6))
def test_evidence_against_a_calibrated_model_grows_by_at_most_one_an_outcome(
    said: list[float],
) -> None:
    """What the budget rests on: statistic less outcomes is a supermartingale, exactly."""
    for make in (slope.make, intercept.make):
        detector = make(BUDGET, Reference([0.4, 0.5, 0.55]), "residual")
        assert expected_statistic(detector, said, said) <= len(said) * (1.0 + 1e-9)


def test_evidence_grows_by_just_one_where_the_truth_is_what_the_model_is_held_to() -> None:
    said, mean = [0.3, 0.6, 0.45, 0.7, 0.55], log_odds(0.4)
    held = [sigmoid(0.05 * mean + 0.95 * log_odds(probability)) for probability in said]
    detector = slope.make(BUDGET, Reference([0.4]), "residual")
    assert expected_statistic(detector, said, held) == pytest.approx(len(said))
    # And faster where it is not.
    reversed_truth = [1.0 - probability for probability in said]
    assert expected_statistic(detector, said, reversed_truth) > 1.05 * len(said)


def test_outcomes_that_fall_together_keep_the_promise_as_one_cluster() -> None:
    """Ten trades that all win or all lose: one by one they would break it."""
    p = 0.5
    together = apart = 0.0
    for outcome in (0, 1):
        clustered = intercept.make(BUDGET, Reference([p]), "residual")
        clustered.update_many([residual(p, outcome)] * BLOCK)
        single = intercept.make(BUDGET, Reference([p]), "residual")
        for _ in range(BLOCK):
            single.update(residual(p, outcome))
        together += 0.5 * clustered.statistic
        apart += 0.5 * single.statistic
    assert together <= BLOCK
    assert apart > 1.2 * BLOCK


def test_a_cluster_of_one_is_an_update_and_an_empty_one_nothing() -> None:
    one, other = (intercept.make(BUDGET, Reference([0.5]), "residual") for _ in range(2))
    rng = np.random.default_rng(1)
    for x in rng.uniform(-1.0, 1.0, 200).tolist():
        one.update(x)
        other.update_many([x])
        other.update_many([])
        other.update_many([math.nan])
    assert one.save() == other.save()


def test_a_cluster_may_come_in_any_order_and_a_nan_in_it_does_not_count() -> None:
    one, other = (intercept.make(BUDGET, Reference([0.5]), "residual") for _ in range(2))
    one.update_many([0.5, -0.25, 0.125])
    other.update_many([-0.25, math.nan, 0.125, 0.5])
    assert one.statistic == pytest.approx(other.statistic)
    assert one.outcomes_since_change == other.outcomes_since_change


def test_suspicion_is_told_until_it_has_passed() -> None:
    detector = slope.make(BUDGET, Reference([0.5]), "residual")
    heard = []
    while not detector.drift_detected:
        detector.update(residual(0.8, 0))
        heard.append((detector.statistic, detector.warning_detected))
    assert [is_warned for _, is_warned in heard] == [
        0.1 * BUDGET <= statistic < BUDGET for statistic, _ in heard
    ]
    detector.update(residual(0.8, 0))
    while not detector.warning_detected:
        detector.update(residual(0.8, 0))
    while detector.warning_detected:
        before = detector.statistic
        detector.update(residual(0.8, 1))
    assert detector.statistic < 0.01 * BUDGET <= before


def test_on_errors_a_model_is_held_to_the_errors_its_reference_expects() -> None:
    said = [0.3, 0.4, 0.6, 0.75]
    detector = slope.make(BUDGET, Reference(said), "error")
    mean = Reference(said).mean_log_odds

    def expected_error(kappa: float) -> float:
        truth = [sigmoid(mean + kappa * (log_odds(p) - mean)) for p in said]
        return float(np.mean([1 - t if p >= 0.5 else t for p, t in zip(said, truth, strict=True)]))

    detector.update(1.0)
    ratios = [expected_error(kappa) / expected_error(0.95) for kappa in slope.SLOPES]
    assert detector.statistic == pytest.approx(np.dot(slope.WEIGHTS, ratios))


def weakened(samples: layer_a.Samples) -> list[float]:
    """Calibrated probabilities of a model that sees a part of what there is: AUC .577."""
    linear = 0.55 * samples.features[:, 0] + 0.35 * samples.features[:, 2]
    # Averaging over what it does not see flattens the slope by 2 %.
    return layer_a.sigmoid(-0.2 + 0.98 * layer_a.SLOPES[0.62] * linear).tolist()


def slope_alarms(seed: int, count: int, drift: layer_a.Drift) -> list[int]:
    """Alarms on a stream whose law changes at outcome 1,000."""
    rng = np.random.default_rng(seed)
    samples = layer_a.draw(rng, count, bayes_auc=0.62, drift=drift, drift_at=1_000)
    said = weakened(samples)
    detector = slope.make(BUDGET, Reference(said[:200]), "residual")
    found = []
    for i, (probability, outcome) in enumerate(zip(said, samples.outcome.tolist(), strict=True)):
        detector.update(residual(probability, outcome))
        if detector.drift_detected:
            found.append(i)
    return found


def test_the_slope_detector_finds_a_flip_in_about_as_many_outcomes_as_is_known() -> None:
    delays = [
        min(at for at in slope_alarms(seed, 2_500, "FLIP") if at >= 1_000) - 1_000
        for seed in range(21)
    ]
    # Known: a median of 134 for a trained model with live AUC .579 (60 streams).
    assert 80 <= median(delays) <= 200


def test_the_slope_detector_keeps_its_false_alarm_budget() -> None:
    streams, length = 15, 4_000
    count = sum(len(slope_alarms(seed, length, "NONE")) for seed in range(100, 100 + streams))
    # Poisson with a mean of 6 or less, by the budget.
    assert count <= 2 * streams * length / BUDGET


def test_a_rise_is_dated_by_its_last_low() -> None:
    rise = RisingMean(tolerance=0.05)
    for value in [0.0, 1.0] * 100 + [1.0] * 30:
        rise.update(value)
    assert 28 <= rise.age <= 34
