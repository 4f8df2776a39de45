"""A figure with its error: no estimate is told without how far chance may have moved it.

Errors are clustered by the day of the signal: a hundred outcomes of one day are one piece of
evidence. Intervals are of 95 %, by Student's t with days - 1 degrees of freedom.
"""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from trainers.metrics import auc_difference, clustered

CONFIDENCE = 0.95
NO_OUTCOMES = "there are no outcomes"
ONE_DAY = "the outcomes are of one day: there is no error to cluster"
ONE_DAY_OF_A_CLASS = "the outcomes of one class are of one day: there is no error to cluster"
SEPARATED = "the probabilities part the classes without a miss: chance cannot be told from it"

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
    reach = _students_point(found.clusters) * error
    return Figure(value, error, max(low, value - reach), min(high, value + reach))


def mean_figure(values: Floats, days: Ints) -> Figure:
    """Return the mean of `values` float64[n]; unknown where there are none."""
    if not values.size:
        return unknown(NO_OUTCOMES)
    mean = float(values.mean())
    return figure_of(mean, (values - mean) / values.size, days)


def share_figure(happened: NDArray[Any], days: Ints) -> Figure:
    """Return the share of `happened` bool[n]; unknown where there is none to look at.

    Wilson's (1927) interval at the effective number of outcomes: n by how much larger the
    clustered variance is than that of independent outcomes (Kish's design effect, taken as 1 or
    more). Where all or none happened, every day is taken for one outcome.
    """
    if not happened.size:
        return unknown(NO_OUTCOMES)
    share = float(happened.mean())
    found = figure_of(share, (happened - share) / happened.size, days)
    if found.error is None:
        return found
    count = int(np.unique(days).size)
    independent = share * (1.0 - share) / happened.size
    effective = float(count)
    if independent > 0.0:
        effective = happened.size / max(1.0, found.error**2 / independent)
    point = _students_point(count) ** 2
    middle = (share + point / (2.0 * effective)) / (1.0 + point / effective)
    reach = (point * (share * (1.0 - share) + point / (4.0 * effective)) / effective) ** 0.5 / (
        1.0 + point / effective
    )
    low, high = max(0.0, middle - reach), min(1.0, middle + reach)
    return Figure(share, found.error, min(low, share), max(high, share))


def auc_figure(y: NDArray[np.int8], probability: Floats, days: Ints) -> Figure:
    """Return the area under the ROC curve (Obuchowski 1997 for its error), ties counting half."""
    if (why := missing_class(y)) is not None:
        return unknown(why)
    # Against what ranks nothing, whose area is a half, the difference is the area.
    found = auc_difference(y, probability, np.zeros(y.size), days)
    value = found.value + 0.5
    if found.clusters < 2:
        return Figure(value, reason=ONE_DAY)
    if separates(y, probability):
        return Figure(value, reason=SEPARATED)
    if not np.isfinite(found.error):
        return Figure(value, reason=ONE_DAY_OF_A_CLASS)
    reach = _students_point(found.clusters) * found.error
    return Figure(value, found.error, max(0.0, value - reach), min(1.0, value + reach))


def missing_class(y: NDArray[np.int8]) -> str | None:
    """Return why outcomes `y` cannot be told apart, None where both classes are there."""
    if not y.size:
        return NO_OUTCOMES
    if 0 < int(y.sum()) < y.size:
        return None
    return f"the outcomes, {y.size} of them, are all of class {int(y[0])}: both are needed"


def separates(y: NDArray[np.int8], score: Floats) -> bool:
    """Whether a threshold on `score` parts the two classes, but for ties at the threshold.

    A score that does not vary parts nothing.
    """
    ones, zeros = score[y == 1], score[y == 0]
    if score.min() == score.max():
        return False
    return bool(ones.min() >= zeros.max() or ones.max() <= zeros.min())


def _students_point(clusters: int) -> float:
    """How many errors the 95 % interval reaches to each side."""
    return float(stdtrit(clusters - 1, (1.0 + CONFIDENCE) / 2.0))
