"""Isotonic calibration takes any rising shape, in few lines none of which is steep."""

import numpy as np
import pytest

from tests.trainers.calibrators.margins import bent, draw, excess_loss, stepped, straight
from trainers.calibrators.beta import fit_beta
from trainers.calibrators.isotonic import (
    CELL_ROWS_MIN,
    KNOTS_MAX,
    PLATT_SHARE,
    STEEPNESS_MAX,
    Isotonic,
    fit_isotonic,
)
from trainers.calibrators.platt import fit_platt


def test_a_step_is_worth_more_than_any_bend():
    margin, y, weights, _ = draw(stepped, 5_000)
    loss = excess_loss(fit_isotonic(margin, y, weights), stepped)
    assert loss < 0.6 * excess_loss(fit_beta(margin, y, weights), stepped)
    assert loss < 0.6 * excess_loss(fit_platt(margin, y, weights), stepped)


@pytest.mark.parametrize("truth", [straight, bent, stepped])
@pytest.mark.parametrize("count", [300, 3_000, 30_000])
def test_lines_rise_within_bounds_between_few_knots(truth, count: int):
    calibration = fit_isotonic(*draw(truth, count)[:3])
    assert isinstance(calibration, Isotonic)
    knots = calibration.at.size - 2
    assert 1 <= knots <= min(KNOTS_MAX, count // CELL_ROWS_MIN)
    at, says = calibration.at.astype(np.float64), calibration.says.astype(np.float64)
    rise = np.diff(says) / np.diff(at)
    assert (rise > 0.99 * PLATT_SHARE).all()
    assert (rise < 1.01 * STEEPNESS_MAX).all()
    assert (at[0], says[0], at[-1], says[-1]) == (0.0, 0.0, 1.0, 1.0)


def test_many_rows_at_one_margin_are_one_block():
    margin = np.repeat([0.0, 1.0, 2.0], 1_000)
    y = np.concatenate([np.arange(1_000) < k for k in (300, 400, 700)]).astype(np.int8)
    said = fit_isotonic(margin, y, np.ones(3_000)).probability(np.array([0.0, 1.0, 2.0]))
    assert said == pytest.approx([0.3, 0.4, 0.7], abs=5e-3)


def test_a_few_rows_leave_little_more_than_platt():
    margin, y, weights, _ = draw(straight, 60)
    said = fit_isotonic(margin, y, weights).probability(margin)
    assert said == pytest.approx(fit_platt(margin, y, weights).probability(margin), abs=0.03)


@pytest.mark.parametrize("cells", [1, 2, 8, 40])
def test_full_cells_begin_at_the_same_rows_in_any_order(cells: int):
    margin, y, weights, _ = draw(stepped, cells * CELL_ROWS_MIN)
    order = np.random.default_rng(cells).permutation(y.size)
    for weighed in (weights, np.full(y.size, 0.3)):
        said = fit_isotonic(margin, y, weighed).probability(margin)
        moved = fit_isotonic(margin[order], y[order], weighed[order]).probability(margin)
        assert np.abs(said - moved).max() <= 1e-6


@pytest.mark.parametrize("weight", [0.1, 0.3, 0.7])
def test_equal_weights_are_as_good_as_none(weight: float):
    margin, y, _, _ = draw(stepped, 2_000)
    said = fit_isotonic(margin, y, np.full(y.size, weight)).probability(margin)
    plain = fit_isotonic(margin, y, np.ones(y.size)).probability(margin)
    assert np.abs(said - plain).max() <= 1e-6
