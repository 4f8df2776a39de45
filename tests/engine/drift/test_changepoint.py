import numpy as np
import pytest

from engine.detectors import slope
from engine.drift.changepoint import calibration_changepoint, ranking_changepoint
from engine.drift.detector import Reference, log_odds
from engine.drift.outcome_stream import residual
from streams import layer_a

CHANGE = 1_000
THRESHOLD = 11_111.0


def alarmed(seed: int, drift: layer_a.Drift, confidence: float = 1.0) -> tuple[int, int] | None:
    """How many outcomes after the change the alarm is, and how far from it the estimate.

    Of a model of Bayes AUC .62 whose log-odds are `confidence` times too large; None where it
    alarms before.
    """
    rng = np.random.default_rng(seed)
    samples = layer_a.draw(rng, 2_500, bayes_auc=0.62, drift=drift, drift_at=CHANGE)
    said = layer_a.sigmoid(layer_a.INTERCEPT + confidence * (samples.score - layer_a.INTERCEPT))
    reference = Reference(said[:100].tolist())
    detector = slope.make(THRESHOLD, reference, "residual")
    for i in range(100, len(said)):
        detector.update(residual(float(said[i]), int(samples.outcome[i])))
        if detector.drift_detected:
            seen = slice(0, i + 1)
            at = ranking_changepoint(
                np.arange(i + 1), said[seen], samples.outcome[seen], reference.mean_log_odds
            )
            return (i + 1 - CHANGE, at - CHANGE) if i >= CHANGE else None
    return None


def errors(drift: layer_a.Drift, runs: int, confidence: float = 1.0) -> np.ndarray:
    found = [alarmed(seed, drift, confidence) for seed in range(runs)]
    return np.array([one[1] for one in found if one is not None])


def test_a_reversal_is_dated_to_within_a_few_outcomes() -> None:
    found = errors("FLIP", 40)
    assert len(found) >= 38
    assert abs(np.median(found)) <= 10
    assert np.quantile(np.abs(found), 0.75) <= 30
    assert np.abs(found).mean() <= 30


def test_a_loss_of_all_skill_is_dated_to_within_a_hundred_outcomes() -> None:
    found = errors("DEAD", 25)
    assert abs(np.median(found)) <= 50
    assert np.abs(found).mean() <= 100


def test_a_model_that_was_always_too_sure_has_not_changed_long_ago() -> None:
    found = errors("FLIP", 30, confidence=1.3)
    assert len(found) >= 15
    assert abs(np.median(found)) <= 15
    assert np.abs(found).mean() <= 60


def test_the_estimate_is_of_signals_in_the_order_in_which_they_were_made() -> None:
    rng = np.random.default_rng(3)
    samples = layer_a.draw(rng, 1_100, bayes_auc=0.70, drift="FLIP", drift_at=CHANGE)
    said, times = layer_a.sigmoid(samples.score), np.arange(1_100) * 10 + 5
    mean = log_odds(float(np.mean(said)))
    expected = ranking_changepoint(times, said, samples.outcome, mean)
    mixed = rng.permutation(1_100)
    found = ranking_changepoint(times[mixed], said[mixed], samples.outcome[mixed], mean)
    assert found == expected
    assert abs(found - 10_005) <= 200


@pytest.mark.parametrize("shift", [-1.0, 1.0])
def test_a_shift_of_the_base_rate_is_dated(shift: float) -> None:
    found = []
    for seed in range(15):
        rng = np.random.default_rng(seed)
        samples = layer_a.draw(rng, 700, bayes_auc=0.62)
        said = layer_a.sigmoid(samples.score)
        truth = layer_a.sigmoid(samples.score + shift * (np.arange(700) >= 500))
        outcome = (rng.random(700) < truth).astype(np.int64)
        found.append(calibration_changepoint(np.arange(700), said, outcome) - 500)
    assert abs(np.median(found)) <= 15
    assert np.abs(found).mean() <= 30


def test_one_outcome_is_its_own_change() -> None:
    one = (np.array([7]), np.array([0.9]), np.array([0]))
    assert ranking_changepoint(*one, 0.0) == 7
    assert calibration_changepoint(*one) == 7
