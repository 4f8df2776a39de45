"""How often equal, worse and better challengers are promoted: a small slice of the long benchmark.

The models here are calibrated views of the truth through noise, part of it common to both, so
that their areas are known without training: about .57 for the champion, as 1,000 samples give at
a Bayes AUC of .62. Real models: `tests/benchmarks/bench_promotion.py`.
"""

import numpy as np
import pytest

from trainers.calibrators.calibrator import sigmoid
from trainers.gate import Window, judge
from trainers.settings import GateSettings

RUNS, OUTCOMES = 150, 1_000
LEVEL = -0.2
CHAMPION, WORSE, BETTER = 0.26, 0.19, 0.34
"""The spread of their log-odds: areas of about .573, .553 and .595."""

COMMON = 0.7
"""The correlation of their log-odds, as two models have that share most of their samples."""


def promotion_rate(spread: float, seed: int, threshold: float | None = None, **options) -> float:
    """The share of RUNS windows in which a challenger of `spread` replaces the champion."""
    rng = np.random.default_rng(seed)
    covariance = COMMON * CHAMPION * spread
    # Two calibrated views a and b of one truth, E[truth | a] = a: cov(truth, a) = var(a).
    both = np.array([[CHAMPION**2, covariance], [covariance, spread**2]])
    slopes = np.linalg.solve(both, np.diag(both))
    promoted = 0
    for _ in range(RUNS):
        views = rng.multivariate_normal(np.zeros(2), both, OUTCOMES)
        y = (rng.random(OUTCOMES) < sigmoid(LEVEL + views @ slopes)).astype(np.int8)
        window = Window(y, np.where(y == 1, 0.98, -1.02), np.arange(OUTCOMES) // 10, threshold)
        champion, challenger = (sigmoid(LEVEL + view) for view in views.T)
        null = np.full(OUTCOMES, sigmoid(np.array([LEVEL])).item())
        promoted += judge(window, challenger, null, champion, GateSettings(), **options).promoted
    return promoted / RUNS


@pytest.mark.parametrize("threshold", [None, 0.5])
def test_the_gate_keeps_what_is_equal_or_worse_and_takes_what_is_better(threshold: float | None):
    assert promotion_rate(CHAMPION, 1, threshold) <= 0.16
    assert promotion_rate(WORSE, 2, threshold) <= 0.04
    assert promotion_rate(BETTER, 3, threshold) >= 0.48


def test_a_later_challenger_that_is_equal_is_hardly_ever_promoted():
    assert promotion_rate(CHAMPION, 4, challengers_before=3) <= 0.03
