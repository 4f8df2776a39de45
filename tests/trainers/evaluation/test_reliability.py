"""Bins hold equally many outcomes, and a perfect model's error is told beside the model's."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from tests.trainers.evaluation.told import told_outcomes
from trainers.evaluation.reliability import BINS, equal_bins, reliability


def test_perfect_model_of_300_outcomes_errs_by_seven_in_a_hundred():
    outcomes, _ = told_outcomes(1, 300)
    found = reliability(outcomes.y, np.linspace(0.499, 0.501, 300), outcomes.days, seed=1)
    assert found.ece_perfect == pytest.approx(0.07, abs=0.004)


def test_expectation_and_point_are_those_of_drawn_outcomes():
    outcomes, p = told_outcomes(2, 400)
    found = reliability(outcomes.y, p, outcomes.days, seed=1)
    rng = np.random.default_rng(3)
    drawn = []
    for _ in range(400):
        y = (rng.random(400) < p).astype(np.int8)
        bin_of = equal_bins(p)
        drawn.append(np.abs(np.bincount(bin_of, weights=y - p)).sum() / 400)
    assert found.ece_perfect == pytest.approx(np.mean(drawn), rel=0.03)
    assert found.ece_perfect_95 == pytest.approx(np.quantile(drawn, 0.95), rel=0.05)


def test_bins_are_scikit_learns_quantiles():
    outcomes, p = told_outcomes(4, 1_000)
    found = reliability(outcomes.y, p, outcomes.days, seed=1)
    came_true, foretold = calibration_curve(outcomes.y, p, n_bins=BINS, strategy="quantile")
    assert [one.came_true.value for one in found.bins] == pytest.approx(came_true, abs=0.011)
    assert [one.foretold for one in found.bins] == pytest.approx(foretold, abs=1e-3)
    assert [one.samples for one in found.bins] == [100] * 10


def test_error_is_the_mean_distance_of_the_bins():
    outcomes, p = told_outcomes(5, 500)
    found = reliability(outcomes.y, p, outcomes.days, seed=1)
    parts = [one.samples * abs(one.came_true.value - one.foretold) for one in found.bins]
    assert found.ece == pytest.approx(sum(parts) / 500)


def test_equal_probabilities_share_a_bin_whatever_their_order():
    p = np.array([0.4] * 50 + [0.6] * 50)
    assert equal_bins(p).tolist() == [0] * 50 + [1] * 50
    mixed = np.random.default_rng(6).permutation(np.repeat([0.2, 0.3, 0.31, 0.9], [3, 60, 30, 7]))
    bins = equal_bins(mixed)
    assert all(np.unique(bins[mixed == value]).size == 1 for value in np.unique(mixed))
    assert sorted(set(bins.tolist())) == list(range(bins.max() + 1))


def test_few_outcomes_make_few_bins():
    assert equal_bins(np.array([0.3])).tolist() == [0]
    assert equal_bins(np.empty(0)).tolist() == []
    assert len(set(equal_bins(np.array([0.1, 0.5, 0.9])).tolist())) == 3
