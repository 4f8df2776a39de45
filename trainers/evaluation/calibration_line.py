"""The outcomes regressed on the log-odds that were told (Cox 1958), by logistic regression.

A slope of 1 and an intercept of 0: the probabilities mean what they say. A slope below 1: they say
too much, they are too far from the base rate. The level is the intercept where the slope is held
at 1: above 0 where more comes true than was foretold.

Errors are those of the sandwich, clustered by day (Liang and Zeger 1986).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from trainers.evaluation.figure import (
    SEPARATED,
    Figure,
    figure_of,
    missing_class,
    separates,
    unknown,
)
from trainers.metrics import PROBABILITY_MIN

NEWTON_STEPS_MAX = 60
NEWTON_TOLERANCE = 1e-10
STEP_MAX = 2.0
SPREAD_MIN = 1e-9
"""Log-odds that differ by less are the rounding of one number."""

CONSTANT = "the probability does not vary"
UNSETTLED = f"the regression does not settle within {NEWTON_STEPS_MAX} steps"

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class CalibrationLine(NamedTuple):
    """Slope and intercept fitted together, and the level beside them."""

    slope: Figure
    intercept: Figure
    level: Figure


def calibration_line(y: NDArray[np.int8], probability: Floats, days: Ints) -> CalibrationLine:
    """Return the line through outcomes `y` of probabilities, float64[n] in [0, 1]."""
    if (why := missing_class(y)) is not None:
        return CalibrationLine(unknown(why), unknown(why), unknown(why))
    told = logit(np.clip(probability, PROBABILITY_MIN, 1.0 - PROBABILITY_MIN))
    level = _level(y, told, days)
    spread = float(told.std())
    if spread < SPREAD_MIN:
        why = CONSTANT
    elif separates(y, told):
        why = SEPARATED
    else:
        return CalibrationLine(*_line(y, told, days, spread), level)
    return CalibrationLine(unknown(why), unknown(why), level)


def _line(y: NDArray[np.int8], told: Floats, days: Ints, spread: float) -> tuple[Figure, Figure]:
    center = float(told.mean())
    design = np.stack(((told - center) / spread, np.ones(told.size)), axis=1)
    rate = float(y.mean())
    found = _fit(design, y, np.zeros(y.size), np.array([0.0, np.log(rate / (1.0 - rate))]))
    if found is None:
        return unknown(UNSETTLED), unknown(UNSETTLED)
    beta, influence = found
    slope, slope_moved = beta[0] / spread, influence[:, 0] / spread
    return (
        figure_of(float(slope), slope_moved, days),
        figure_of(float(beta[1] - slope * center), influence[:, 1] - slope_moved * center, days),
    )


def _level(y: NDArray[np.int8], told: Floats, days: Ints) -> Figure:
    start = float(logit(y.mean())) - float(told.mean())
    found = _fit(np.ones((y.size, 1)), y, told, np.array([start]))
    if found is None:
        return unknown(UNSETTLED)
    beta, influence = found
    return figure_of(float(beta[0]), influence[:, 0], days)


def _fit(
    design: Floats, y: NDArray[np.int8], offset: Floats, beta: Floats
) -> tuple[Floats, Floats] | None:
    """The coefficients of most likelihood, and by how much each outcome moves them, (n, k)."""
    for _ in range(NEWTON_STEPS_MAX):
        expected = expit(design @ beta + offset)
        curvature = (design * (expected * (1.0 - expected))[:, None]).T @ design
        scores = design * (y - expected)[:, None]
        if np.linalg.cond(curvature) > 1.0 / np.finfo(np.float64).eps:
            return None
        step = np.linalg.solve(curvature, scores.sum(axis=0))
        if float(np.abs(step).max()) < NEWTON_TOLERANCE:
            return beta, np.linalg.solve(curvature, scores.T).T
        beta = _stepped(design, y, offset, beta, np.clip(step, -STEP_MAX, STEP_MAX))
    return None


def _stepped(
    design: Floats, y: NDArray[np.int8], offset: Floats, beta: Floats, step: Floats
) -> Floats:
    """Go as much of the step as does not lose likelihood, halving it."""
    now = _log_likelihood(design, y, offset, beta)
    for _ in range(NEWTON_STEPS_MAX):
        ahead: Floats = beta + step
        if _log_likelihood(design, y, offset, ahead) >= now - NEWTON_TOLERANCE:
            return ahead
        step = step / 2.0
    return beta


def _log_likelihood(design: Floats, y: NDArray[np.int8], offset: Floats, beta: Floats) -> float:
    margin = design @ beta + offset
    return float((y * margin - np.logaddexp(0.0, margin)).sum())
