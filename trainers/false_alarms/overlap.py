"""Trades that run at the same time, and how far their outcomes move together.

Outcomes in the order of judgement form clusters as the drift watch forms them
(`engine/drift/outcome_cluster.py`). Within clusters, what a calibrated model leaves unexplained is
uncorrelated unless the trades share something: the correlation of the standardised residuals
says how much, clusters weighing by their outcomes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, owens_t

from engine.drift.detector import PROBABILITY_MIN
from engine.drift.outcome_cluster import OutcomeCluster
from trainers.metrics import clustered

CORRELATION_MIN = 1e-9
LATENT_MAX = 0.95
BISECTIONS = 60

Floats = NDArray[np.float64]


class Overlap(NamedTuple):
    """How outcomes hang together.

    `open_together`: how many outcomes the cluster of an outcome has, on average. `correlation` of
    two outcomes of a cluster, with its standard error over clusters (inf where it cannot be told);
    below 0 it counts as 0. `neighbours`: that of two outcomes of neighbouring clusters.
    """

    clusters: int
    open_together: float
    correlation: float
    error: float
    neighbours: float


NO_OVERLAP = Overlap(0, 1.0, 0.0, 0.0, 0.0)


def clusters_of(ts: NDArray[np.int64], exit_ts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of each outcome's cluster, int64[n], rising from 0.

    Both are in the order of judgement.
    """
    gather, sizes = OutcomeCluster(), []
    for row, span in enumerate(zip(ts.tolist(), exit_ts.tolist(), strict=True)):
        complete = gather.add(float(row), *span)
        if complete:
            sizes.append(len(complete))
    sizes.append(len(gather))
    return np.repeat(np.arange(len(sizes)), sizes)


def overlap_of(probability: Floats, y: NDArray[np.int8], clusters: NDArray[np.int64]) -> Overlap:
    """Return how the outcomes of predictions hang together; all [n], n ≥ 1."""
    p = np.clip(probability, PROBABILITY_MIN, 1.0 - PROBABILITY_MIN)
    residual = (y - p) / np.sqrt(p * (1.0 - p))
    # A level that is wrong is another matter than trades that move together.
    residual -= residual.mean()
    sizes = np.bincount(clusters).astype(np.float64)
    sums: Floats = np.bincount(clusters, weights=residual).astype(np.float64)
    squares = np.bincount(clusters, weights=residual**2)
    together = float((sizes**2).sum() / sizes.sum())
    variance = float((residual**2).mean())
    shared = sizes > 1.0
    if not shared.any() or variance <= 0.0:
        return Overlap(sizes.size, together, 0.0, 0.0 if not shared.any() else np.inf, 0.0)
    weight, sizes_shared = sizes[shared].sum(), sizes[shared]
    products = (sums[shared] ** 2 - squares[shared]) / (sizes_shared - 1.0) / variance
    correlation = float(products.sum() / weight)
    influence = (products - correlation * sizes_shared) / weight
    estimate = clustered(correlation, influence, np.arange(influence.size))
    return Overlap(
        clusters=sizes.size,
        open_together=together,
        correlation=correlation,
        error=estimate.error,
        neighbours=_neighbours(sums, sizes, variance),
    )


def latent_correlation(correlation: float, base_rate: float) -> float:
    """Return the correlation of the normals of which such a correlation of outcomes comes.

    Two outcomes of probability `base_rate` whose one-factor Gaussian copula has this correlation
    are themselves correlated by `correlation`; in [0, LATENT_MAX].

    >>> round(latent_correlation(1 / 3, 0.5), 6)
    0.5
    """
    low, high = 0.0, LATENT_MAX
    if correlation < CORRELATION_MIN:
        return 0.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        if outcome_correlation(middle, base_rate) < correlation:
            low = middle
        else:
            high = middle
    return high


def outcome_correlation(latent: float, base_rate: float) -> float:
    """Return the correlation of outcomes that a copula's correlation makes; its inverse above."""
    limit = ndtri(base_rate)
    both = ndtr(limit) - 2.0 * owens_t(limit, np.sqrt((1.0 - latent) / (1.0 + latent)))
    return float((both - base_rate**2) / (base_rate * (1.0 - base_rate)))


def _neighbours(sums: Floats, sizes: Floats, variance: float) -> float:
    weights = np.sqrt(sizes[1:] * sizes[:-1])
    if weights.size == 0:
        return 0.0
    products = sums[1:] * sums[:-1] / (sizes[1:] * sizes[:-1]) / variance
    return float((products * weights).sum() / weights.sum())
