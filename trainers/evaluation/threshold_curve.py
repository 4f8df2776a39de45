"""What every threshold would have accepted, and what it would have earned."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from trainers.dataset import Dataset

POINTS = 51

Floats = NDArray[np.float64]


class ThresholdCurve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At most `POINTS` thresholds, ascending: probabilities that were told, at equal shares.

    `share` accepted; `mean_r` and `hit_rate` of the accepted; `utility_gain_r`, net R per signal
    of taking the accepted less taking all, and `utility_gain_error`, clustered by day, None
    where all is of one day. A threshold that is chosen here has been fitted to these outcomes.
    """

    threshold: tuple[float, ...]
    share: tuple[float, ...]
    mean_r: tuple[float, ...]
    hit_rate: tuple[float, ...]
    utility_gain_r: tuple[float, ...]
    utility_gain_error: tuple[float | None, ...]


def threshold_curve(outcomes: Dataset, probability: Floats) -> ThresholdCurve:
    """Return the curve of the probabilities float64[n]; no points without outcomes."""
    if not probability.size:
        return ThresholdCurve((), (), (), (), (), ())
    order = np.argsort(probability, kind="stable")
    ordered, earned = probability[order], outcomes.r_multiple[order]
    grid = np.unique(np.quantile(ordered, np.linspace(0.0, 1.0, POINTS), method="higher"))
    refused = np.searchsorted(ordered, grid)
    left = ordered.size - refused
    return ThresholdCurve(
        threshold=tuple(grid.tolist()),
        share=tuple((left / ordered.size).tolist()),
        mean_r=tuple((_tails(earned, refused) / left).tolist()),
        hit_rate=tuple((_tails((earned > 0.0).astype(np.float64), refused) / left).tolist()),
        utility_gain_r=tuple(float(-earned[:count].sum() / ordered.size) for count in refused),
        utility_gain_error=_errors(earned, outcomes.days[order], refused),
    )


def _tails(values: Floats, refused: NDArray[np.intp]) -> Floats:
    return np.array([float(values[count:].sum()) for count in refused])


def _errors(
    earned: Floats, days: NDArray[np.int64], refused: NDArray[np.intp]
) -> tuple[float | None, ...]:
    """The clustered error of each utility gain, as `trainers.metrics.clustered` has it."""
    _, day_of, per_day = np.unique(days, return_inverse=True, return_counts=True)
    if per_day.size < 2:
        return (None,) * refused.size
    scale = float(np.abs(earned).max()) or 1.0
    lost, shared = -earned / scale, per_day.size / (per_day.size - 1)
    found = []
    for count in refused:
        sums = np.bincount(day_of[:count], weights=lost[:count], minlength=per_day.size)
        influence = (sums - per_day * (sums.sum() / earned.size)) / earned.size
        found.append(float(np.sqrt((influence**2).sum() * shared)) * scale)
    return tuple(found)
