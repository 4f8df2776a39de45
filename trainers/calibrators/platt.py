"""Platt's calibration: a line through the log-odds.

Two numbers, enough from 200 rows on (measured: it turns a raw LightGBM, which loses to a constant
in log-loss at 1,500 rows, into one that gains).
Source: Platt (1999), "Probabilistic Outputs for Support Vector Machines".
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.calibrators.calibrator import base_rate, inside, sigmoid, smoothed_targets
from trainers.graph import OUTPUT_NAME, Graph

NEWTON_STEPS_MAX = 50
NEWTON_TOLERANCE = 1e-10
RIDGE = 1e-9
SLOPE_MIN = 1e-6
SPREAD_MIN = 1e-9
"""Of the largest margin."""


class Platt(NamedTuple):
    """probability = 1 / (1 + exp(-(slope · margin + intercept))), fitted on `rows` samples."""

    slope: float
    intercept: float
    rows: int

    @property
    def name(self) -> str:
        """The method."""
        return "platt"

    def log_odds(self, margin: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated log-odds, float64[n]."""
        return self.slope * margin + self.intercept

    def probability(self, margin: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated probabilities, float64[n] in (0, 1)."""
        return inside(sigmoid(self.log_odds(margin)))

    def add_log_odds(self, graph: Graph, margin: str) -> str:
        """Add nodes that turn `margin` float32[n, 1] into log-odds float32[n, 1]."""
        return graph.line(margin, self.slope, self.intercept)

    def add_probability(self, graph: Graph, margin: str, output: str = OUTPUT_NAME) -> str:
        """Add nodes that turn `margin` float32[n, 1] into probabilities float32[n, 1]."""
        return graph.node("Sigmoid", self.add_log_odds(graph, margin), output=output)

    def figures(self) -> dict[str, float]:
        """Return slope, intercept and rows."""
        return {name: float(value) for name, value in self._asdict().items()}


def fit_platt(
    margin: NDArray[np.float64], y: NDArray[np.int8], weights: NDArray[np.float64]
) -> Platt:
    """Return the calibration of least weighted log-loss, targets smoothed as Platt (1999) does.

    A margin that does not rise with the outcome is worth nothing: the slope is then 0 and every
    probability the base rate. It is never turned round.
    """
    rate = base_rate(y, weights)
    constant = Platt(0.0, float(np.log(rate / (1.0 - rate))), int(y.size))
    spread = float(margin.std()) if margin.size else 0.0
    # Margins that differ by their rounding alone rank nothing, and would be blown up into a skill.
    if (
        spread <= SPREAD_MIN * float(np.abs(margin).max(initial=0.0))
        or not 0 < int(y.sum()) < y.size
    ):
        return constant
    scaled = weights / weights.mean()
    target = smoothed_targets(y, scaled)
    center = float(margin.mean())
    slope, shift = _newton((margin - center) / spread, target, scaled, constant.intercept)
    slope /= spread
    if slope <= SLOPE_MIN:
        return constant
    return Platt(slope, shift - slope * center, int(y.size))


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
