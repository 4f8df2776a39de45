"""The line through the outcomes is the one of most likelihood, with the sandwich's errors."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from tests.trainers.evaluation.told import told_outcomes
from trainers.evaluation.calibration_line import CONSTANT, calibration_line
from trainers.evaluation.figure import SEPARATED


def test_slope_and_intercept_are_scikit_learns_without_a_ridge():
    outcomes, p = told_outcomes(1)
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1_000)
    model.fit(logit(p)[:, None], outcomes.y)
    line = calibration_line(outcomes.y, p, outcomes.days)
    assert line.slope.value == pytest.approx(model.coef_[0, 0], rel=1e-5)
    assert line.intercept.value == pytest.approx(model.intercept_[0], rel=1e-4)


def test_level_is_the_intercept_beside_a_slope_of_one():
    outcomes, p = told_outcomes(2)

    def lost(level):
        q = expit(logit(p) + level[0])
        return -np.log(np.where(outcomes.y == 1, q, 1 - q)).sum()

    found = minimize(lost, [0.0], tol=1e-10).x[0]
    line = calibration_line(outcomes.y, p, outcomes.days)
    assert line.level.value == pytest.approx(found, abs=1e-5)


@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_errors_are_those_of_leaving_out_one_day_after_the_other(shift: float):
    outcomes, p = told_outcomes(3, 900, per_day=15, shared=0.3)
    p = expit(logit(p) + shift)
    line = calibration_line(outcomes.y, p, outcomes.days)
    left_out = []
    for day in np.unique(outcomes.days):
        rows = outcomes.days != day
        part = calibration_line(outcomes.y[rows], p[rows], outcomes.days[rows])
        left_out.append([part.slope.value, part.intercept.value, part.level.value])
    count = len(left_out)
    errors = np.std(left_out, axis=0) * (count - 1) / count**0.5
    told = [line.slope.error, line.intercept.error, line.level.error]
    assert told == pytest.approx(errors, rel=0.08)


@pytest.mark.parametrize(("factor", "shift"), [(2.0, 0.0), (0.5, 0.3), (1.0, -0.4)])
def test_what_was_distorted_is_found(factor: float, shift: float):
    outcomes, p = told_outcomes(4, 20_000)
    line = calibration_line(outcomes.y, expit(factor * logit(p) + shift), outcomes.days)
    assert line.slope.value == pytest.approx(1.0 / factor, abs=4 * line.slope.error)
    assert line.intercept.value == pytest.approx(-shift / factor, abs=4 * line.intercept.error)


def test_no_line_goes_through_a_constant_or_through_classes_that_are_parted():
    y = np.array([0, 0, 1, 1] * 5, dtype=np.int8)
    days = np.arange(20)
    flat = calibration_line(y, np.full(20, 0.4), days)
    assert flat.slope.reason == flat.intercept.reason == CONSTANT
    assert flat.level.value == pytest.approx(logit(0.5) - logit(0.4))
    for p in (np.where(y == 1, 0.7, 0.2), np.where(y == 1, 0.2, 0.7), y.astype(float)):
        parted = calibration_line(y, p, days)
        assert parted.slope.value is None
        assert parted.slope.reason == SEPARATED


def test_a_single_wild_probability_does_not_throw_the_line():
    outcomes, p = told_outcomes(5)
    line = calibration_line(outcomes.y, np.where(np.arange(600) == 7, 1.0, p), outcomes.days)
    assert 0.0 < line.slope.value < 2.0
