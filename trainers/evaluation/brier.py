"""The Brier score and what it is made of.

Over the bins of the reliability: score = reliability - resolution + uncertainty + within_bins
(Murphy 1973; Stephenson, Coelho and Jolliffe 2008 for what is within a bin).
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from trainers.evaluation.figure import NO_OUTCOMES, Figure, mean_figure, unknown
from trainers.evaluation.reliability import equal_bins

Floats = NDArray[np.float64]


class Brier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mean squared distance of the probabilities from the outcomes.

    `null` is that of the constant, `gain` null - score. `reliability`: by how much the bins miss,
    0 is best. `resolution`: how far the bins' outcomes differ, higher is better. `uncertainty`:
    the variance of the outcomes. None without outcomes.
    """

    score: float | None
    null: float | None
    gain: Figure
    reliability: float | None
    resolution: float | None
    uncertainty: float | None
    within_bins: float | None


def brier(y: NDArray[np.int8], probability: Floats, null: Floats, days: NDArray[np.int64]) -> Brier:
    """Return the score of `probability` beside that of `null`, float64[n] each."""
    if not y.size:
        return Brier(None, None, unknown(NO_OUTCOMES), None, None, None, None)
    own, constant = (probability - y) ** 2, (null - y) ** 2
    bin_of = equal_bins(probability)
    counts = np.bincount(bin_of)
    foretold = np.bincount(bin_of, weights=probability) / counts
    came_true = np.bincount(bin_of, weights=y) / counts
    rate, score = float(y.mean()), float(own.mean())
    missed = float(counts @ (foretold - came_true) ** 2) / y.size
    resolved = float(counts @ (came_true - rate) ** 2) / y.size
    uncertainty = rate * (1.0 - rate)
    return Brier(
        score=score,
        null=float(constant.mean()),
        gain=mean_figure(constant - own, days),
        reliability=missed,
        resolution=resolved,
        uncertainty=uncertainty,
        within_bins=score - missed + resolved - uncertainty,
    )
