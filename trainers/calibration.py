"""Platt's calibration: a probability from a margin, fitted on out-of-fold margins."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NEWTON_STEPS_MAX = 50
NEWTON_TOLERANCE = 1e-10
RIDGE = 1e-9
SLOPE_MIN = 1e-6


class Calibration(NamedTuple):
    """probability = 1 / (1 + exp(-(slope · margin + intercept))), fitted on `rows` samples."""

    slope: float
    intercept: float
    rows: int

    def probability(self, margin: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated probabilities, float64[n] in (0, 1)."""
        return sigmoid(self.slope * margin + self.intercept)


def sigmoid(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(-value)) without overflow.

    >>> sigmoid(np.array([-1000.0, 0.0])).tolist()
    [0.0, 0.5]
    """
    small = np.exp(-np.abs(value))
    result: NDArray[np.float64] = np.where(value >= 0, 1.0, small) / (1.0 + small)
    return result


def base_rate(y: NDArray[np.int8], weights: NDArray[np.float64]) -> float:
    """Return the weighted share of ones, one sample of each class added: always in (0, 1)."""
    scaled = weights / weights.mean() if weights.size else weights
    return float((np.dot(scaled, y) + 1.0) / (scaled.sum() + 2.0))


def fit_platt(
    margin: NDArray[np.float64], y: NDArray[np.int8], weights: NDArray[np.float64]
) -> Calibration:
    """Return the calibration of least weighted log-loss, targets smoothed as Platt (1999) does.

    A margin that does not rise with the outcome is worth nothing: the slope is then 0 and every
    probability the base rate. It is never turned round.
    """
    rate = base_rate(y, weights)
    constant = Calibration(0.0, float(np.log(rate / (1.0 - rate))), int(y.size))
    spread = float(margin.std()) if margin.size else 0.0
    if spread <= 0.0 or not 0 < int(y.sum()) < y.size:
        return constant
    scaled = weights / weights.mean()
    ones, zeros = float(np.dot(scaled, y)), float(np.dot(scaled, 1 - y))
    target = np.where(y == 1, (ones + 1.0) / (ones + 2.0), 1.0 / (zeros + 2.0))
    center = float(margin.mean())
    slope, shift = _newton((margin - center) / spread, target, scaled, constant.intercept)
    slope /= spread
    if slope <= SLOPE_MIN:
        return constant
    return Calibration(slope, shift - slope * center, int(y.size))


def _newton(
    z: NDArray[np.float64],
    target: NDArray[np.float64],
    weights: NDArray[np.float64],
    intercept: float,
) -> tuple[float, float]:
    design = np.stack((z, np.ones_like(z)), axis=1)
    beta = np.array([0.0, intercept])
    for _ in range(NEWTON_STEPS_MAX):
        p = sigmoid(design @ beta)
        gradient = design.T @ (weights * (p - target))
        curvature = (design * (weights * p * (1.0 - p))[:, None]).T @ design
        step = np.linalg.solve(curvature + RIDGE * np.eye(2), gradient)
        beta -= np.clip(step, -2.0, 2.0)
        if float(np.abs(step).max()) < NEWTON_TOLERANCE:
            break
    return float(beta[0]), float(beta[1])
