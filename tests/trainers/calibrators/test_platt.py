"""Platt's calibration finds the truth and never turns a margin round."""

import numpy as np
import pytest

from trainers.calibrators.calibrator import sigmoid
from trainers.calibrators.platt import fit_platt


def draw(slope: float, intercept: float, count: int = 20_000):
    rng = np.random.default_rng(5)
    margin = rng.normal(3.0, 0.5, count)
    y = (rng.random(count) < sigmoid(slope * margin + intercept)).astype(np.int8)
    return margin, y, np.ones(count)


def test_it_recovers_slope_and_intercept():
    calibration = fit_platt(*draw(1.5, -4.0))
    assert calibration.slope == pytest.approx(1.5, abs=0.1)
    assert calibration.intercept == pytest.approx(-4.0, abs=0.3)
    assert calibration.rows == 20_000


def test_calibrated_probabilities_have_the_observed_mean():
    margin, y, weights = draw(1.5, -4.0)
    assert fit_platt(margin, y, weights).probability(margin).mean() == pytest.approx(
        y.mean(), abs=1e-3
    )


def test_a_margin_that_falls_with_the_outcome_is_worth_nothing():
    margin, y, weights = draw(1.5, -4.0)
    calibration = fit_platt(-margin, y, weights)
    assert calibration.slope == 0.0
    assert calibration.probability(margin) == pytest.approx(y.mean(), abs=1e-3)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_only_still_gives_a_probability_between_zero_and_one(label: int):
    y = np.full(10, label, dtype=np.int8)
    probability = fit_platt(np.arange(10.0), y, np.ones(10)).probability(np.zeros(1))
    assert 0.0 < probability[0] < 1.0


def test_weights_move_the_base_rate():
    y = np.array([0, 1] * 500, dtype=np.int8)
    weights = np.where(y == 1, 3.0, 1.0)
    assert fit_platt(np.zeros(1000), y, weights).probability(np.zeros(1))[0] == pytest.approx(
        0.75, abs=0.01
    )


def test_margins_that_differ_by_rounding_alone_say_the_base_rate():
    rng = np.random.default_rng(4)
    y = (rng.random(400) < 0.4).astype(np.int8)
    margin = 0.3 + np.where(y == 1, 2.0**-54, 0.0)
    fitted = fit_platt(margin, y, np.ones(400))
    assert fitted.slope == 0.0
    assert fitted.probability(margin) == pytest.approx(y.mean(), abs=0.01)
