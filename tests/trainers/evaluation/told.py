"""Outcomes with known probabilities, independent or sharing what happens in a day."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri

from tests.trainers.samples import dataset_of
from trainers.dataset import Dataset

LEVEL, SPREAD = -0.2, 0.5
NULL = 0.46


def told_outcomes(
    seed: int, count: int = 600, *, per_day: int = 10, shared: float = 0.0
) -> tuple[Dataset, NDArray[np.float64]]:
    """Outcomes and their true probabilities.

    `shared`: the correlation of what moves two outcomes of a day (a one-factor copula); each
    outcome by itself has its probability still.
    """
    rng = np.random.default_rng(seed)
    z = rng.standard_normal(count)
    probability = expit(LEVEL + SPREAD * z)
    day = np.arange(count) // per_day
    common = rng.standard_normal(day[-1] + 1 if count else 0)[day]
    own = rng.standard_normal(count)
    moved = shared**0.5 * common + (1.0 - shared) ** 0.5 * own
    y = (moved < ndtri(probability)).astype(np.int64)
    return dataset_of(z[:, None], y, per_day=per_day), probability


def with_r(outcomes: Dataset, r_multiple: NDArray[np.float64]) -> Dataset:
    return replace(outcomes, r_multiple=np.asarray(r_multiple, dtype=np.float64))
