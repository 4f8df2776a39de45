"""A figure with its error: no estimate is told without how far chance may have moved it.

Errors are clustered by the day of the signal: a hundred outcomes of one day are one piece of
evidence. Intervals are of 95 %, by Student's t with days - 1 degrees of freedom.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from trainers.metrics import clustered

CONFIDENCE = 0.95
ONE_DAY = "the outcomes are of one day: there is no error to cluster"

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An estimate, its clustered standard error and its 95 % interval.

    What is not defined is None, and `reason` says why: where `value` is None of the estimate,
    else of its error.
    """

    value: float | None
    error: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


def unknown(reason: str) -> Figure:
    """Return a figure that is not defined."""
    return Figure(None, reason=reason)


def figure_of(
    value: float,
    influence: Floats,
    days: Ints,
    *,
    low: float = -np.inf,
    high: float = np.inf,
) -> Figure:
    """Return `value` with the error that `influence` makes of it.

    `influence` float64[n], by how much each outcome moves the value; `days` int64[n], its
    clusters. The interval is cut at `low` and `high`, beyond which the value cannot be.
    """
    # Scaled by the largest, so that squares stay within the range of floats.
    scale = float(np.abs(influence).max(initial=0.0)) or 1.0
    found = clustered(value, influence / scale, days)
    if found.clusters < 2:
        return Figure(value, reason=ONE_DAY)
    error = found.error * scale
    reach = float(stdtrit(found.clusters - 1, (1.0 + CONFIDENCE) / 2.0)) * error
    return Figure(value, error, max(low, value - reach), min(high, value + reach))


def mean_figure(
    values: Floats, days: Ints, *, low: float = -np.inf, high: float = np.inf
) -> Figure:
    """Return the mean of `values` float64[n], at least one."""
    mean = float(values.mean())
    return figure_of(mean, (values - mean) / values.size, days, low=low, high=high)
