"""Beta calibration finds a bend, and is Platt's line where there is none."""

import numpy as np
import pytest

from tests.trainers.calibrators.margins import bent, draw, excess_loss, in_graph
from trainers.calibrators.beta import SHAPE_MAX, SHAPE_MIN, Beta, fit_beta
from trainers.calibrators.calibrator import sigmoid
from trainers.calibrators.platt import Platt, fit_platt


def test_a_and_b_of_one_and_no_shift_are_platt():
    platt = Platt(0.7, -0.3, 100)
    margin = np.linspace(-9.0, 9.0, 50)
    assert Beta(1.0, 1.0, 0.0, platt).probability(margin) == pytest.approx(
        platt.probability(margin), abs=1e-12
    )


def test_it_recovers_the_shape_that_made_the_outcomes():
    rng = np.random.default_rng(5)
    log_odds = rng.normal(0.0, 2.0, 40_000)
    truth = Beta(0.5, 1.6, 0.2, Platt(1.0, 0.0, 0)).probability(log_odds)
    y = (rng.random(log_odds.size) < truth).astype(np.int8)
    said = fit_beta(log_odds, y, np.ones(log_odds.size)).probability(log_odds)
    straight = fit_platt(log_odds, y, np.ones(log_odds.size)).probability(log_odds)
    assert np.abs(said - truth).mean() < 0.01 < 0.02 < np.abs(straight - truth).mean()


def test_a_bend_is_worth_more_than_a_line():
    margin, y, weights, _ = draw(bent, 3_000)
    loss = excess_loss(fit_beta(margin, y, weights), bent)
    assert loss < 0.5 * excess_loss(fit_platt(margin, y, weights), bent)


@pytest.mark.parametrize("falls", ["below", "above"])
def test_a_side_that_falls_is_made_flat_not_turned_round(falls: str):
    sign = 1.0 if falls == "above" else -1.0
    rng = np.random.default_rng(3)
    z = rng.normal(0.0, 2.0, 20_000)
    truth = sigmoid(np.where(sign * z > 0.0, -0.3, 1.2) * z)
    y = (rng.random(z.size) < truth).astype(np.int8)
    calibration = fit_beta(z, y, np.ones(z.size))
    assert isinstance(calibration, Beta)
    assert min(calibration.a, calibration.b) == SHAPE_MIN
    assert (np.diff(calibration.probability(np.linspace(-5.0, 5.0, 200))) > 0.0).all()


def test_the_graph_agrees_at_the_steepest_shape():
    steepest = Beta(SHAPE_MAX, SHAPE_MAX, 0.1, Platt(1.3, 0.1, 100))
    margin = np.linspace(-6.0, 6.0, 20_001).astype(np.float32).astype(np.float64)
    assert np.abs(in_graph(steepest, margin) - steepest.probability(margin)).max() <= 1e-6
