"""Beta calibration: a bend in the log-odds, for scores that are honest at one end only.

log-odds = a · ln p - b · ln(1 - p) + c on Platt's probability p, with a, b >= 0, so it never
turns round. a = b = 1 and c = 0 is Platt itself: a margin need not be a log-odds. a and b are drawn
towards 1 as by one sample's worth of evidence, because over a narrow range of p they can hardly be
told apart.
Source: Kull, Silva Filho, Flach (2017), "Beta calibration".
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.calibrators.calibrator import (
    PROBABILITY_MIN,
    inside,
    sigmoid,
    smoothed_targets,
)
from trainers.calibrators.platt import Platt, fit_platt
from trainers.graph import OUTPUT_NAME, Graph

NEWTON_STEPS_MAX = 50
NEWTON_TOLERANCE = 1e-10
PRIOR_PRECISION = 1.0
SHAPE_MIN, SHAPE_MAX = 0.01, 8.0
"""Flatter than this, float32 would tie what has a rank; steeper, the graph would not agree to 1e-6.
"""

Floats = NDArray[np.float64]


class Beta(NamedTuple):
    """log-odds = a · ln p - b · ln(1 - p) + c, where p is `platt`'s probability."""

    a: float
    b: float
    c: float
    platt: Platt

    @property
    def name(self) -> str:
        """The method."""
        return "beta"

    @property
    def rows(self) -> int:
        """The number of samples that it was fitted on."""
        return self.platt.rows

    def probability(self, margin: Floats) -> Floats:
        """Return the calibrated probabilities, float64[n] in (0, 1)."""
        rise, fall = _shapes(self.platt.log_odds(margin))
        return inside(sigmoid(self.a * rise + self.b * fall + self.c))

    def add_probability(self, graph: Graph, margin: str, output: str = OUTPUT_NAME) -> str:
        """Add nodes that turn `margin` float32[n, 1] into probabilities float32[n, 1]."""
        log_odds = self.platt.add_log_odds(graph, margin)
        rise = graph.node("Softplus", graph.node("Neg", log_odds))
        fall = graph.node("Softplus", log_odds)
        parts = [
            graph.node("Mul", shape, graph.constant(np.array([factor])))
            for shape, factor in ((rise, -self.a), (fall, self.b))
        ]
        shift = graph.constant(np.array([self.c]))
        bent = graph.node("Sigmoid", graph.node("Add", graph.node("Add", *parts), shift))
        bounds = (graph.constant(np.array(p)) for p in (PROBABILITY_MIN, 1.0 - PROBABILITY_MIN))
        return graph.node("Clip", bent, *bounds, output=output)

    def figures(self) -> dict[str, float]:
        """Return a, b and c beside Platt's slope, intercept and rows."""
        return {"a": self.a, "b": self.b, "c": self.c} | self.platt.figures()


def fit_beta(margin: Floats, y: NDArray[np.int8], weights: Floats) -> Platt | Beta:
    """Return the beta calibration of least weighted log-loss, targets smoothed as Platt's are.

    Platt's constant where the margin does not rise with the outcome.
    """
    platt = fit_platt(margin, y, weights)
    if platt.slope == 0.0:
        return platt
    scaled = weights / weights.mean()
    target = smoothed_targets(y, scaled)
    design = np.stack((*_shapes(platt.log_odds(margin)), np.ones(margin.size)), axis=1)
    free = np.array([True, True])
    solution = _newton(design, target, scaled, free)
    while (below := solution[:2] < 0.0).any():
        # Kull et al.: what would turn round is left out, and the rest fitted again.
        free &= ~below
        solution = _newton(design, target, scaled, free)
    a, b = np.clip(solution[:2], SHAPE_MIN, SHAPE_MAX).tolist()
    return Beta(a, b, float(solution[2]), platt)


def _shapes(log_odds: Floats) -> tuple[Floats, Floats]:
    """Return ln p and -ln(1 - p) of log-odds, without overflow."""
    return -np.logaddexp(0.0, -log_odds), np.logaddexp(0.0, log_odds)


def _newton(design: Floats, target: Floats, weights: Floats, free: NDArray[np.bool_]) -> Floats:
    """Return (a, b, c) of least penalised loss, those of a and b that are not `free` at 0."""
    chosen = np.append(free, True)
    columns = design[:, chosen]
    prior = np.array([1.0, 1.0, 0.0])[chosen]
    precision = np.diag(PRIOR_PRECISION * prior)
    beta = prior.copy()
    for _ in range(NEWTON_STEPS_MAX):
        p = sigmoid(columns @ beta)
        gradient = columns.T @ (weights * (p - target)) + precision @ (beta - prior)
        curvature = (columns * (weights * p * (1.0 - p))[:, None]).T @ columns + precision
        step = np.linalg.solve(curvature, gradient)
        beta -= np.clip(step, -2.0, 2.0)
        if float(np.abs(step).max()) < NEWTON_TOLERANCE:
            break
    solution = np.zeros(3)
    solution[chosen] = beta
    return solution
