"""Figures of merit of probabilities, with standard errors clustered by day.

Clustered errors sum the per-sample influences within each cluster (Obuchowski 1997 for the area
under the curve), so a hundred outcomes of one day count as one piece of evidence. They are those of
leaving one cluster out (Bell and McCaffrey 2002), with the degrees of freedom of as many clusters
of one size (Kish 1965): a day that holds most of the outcomes moves the mean it is compared with,
and by the plain sum a ranking of pure chance would show a p below 5 % in a quarter of such windows.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

PROBABILITY_MIN = 1e-6

Floats = NDArray[np.float64]


class Estimate(NamedTuple):
    """A mean or area, its clustered standard error, the clusters, and degrees of freedom.

    `freedom` is clusters - 1 where all are of one size, and less where they are not.
    """

    value: float
    error: float
    clusters: int
    freedom: float

    def p_value_above_zero(self) -> float:
        """The one-sided p of "the truth is <= 0", by Student's t."""
        if self.clusters < 2 or not np.isfinite(self.error):
            return 1.0
        if self.error == 0.0:
            return 0.0 if self.value > 0.0 else 1.0
        return float(stdtr(self.freedom, -self.value / self.error))


def log_losses(y: NDArray[np.int8], probability: Floats) -> Floats:
    """Return -log of the probability given to what happened, nats, float64[n]."""
    p = np.clip(probability, PROBABILITY_MIN, 1.0 - PROBABILITY_MIN)
    losses: Floats = -np.where(y == 1, np.log(p), np.log1p(-p))
    return losses


def clustered_mean(values: Floats, clusters: NDArray[np.int64]) -> Estimate:
    """Return the mean of `values` with its error clustered by `clusters`, both [n]."""
    if values.size == 0:
        return Estimate(0.0, float("inf"), 0, 0.0)
    mean = float(values.mean())
    return clustered(mean, (values - mean) / values.size, clusters)


def auc(y: NDArray[np.int8], score: Floats) -> float:
    """Return the area under the ROC curve; ties count half; 0.5 when a class is missing.

    >>> auc(np.array([0, 0, 1, 1], dtype=np.int8), np.array([.1, .4, .35, .8]))
    0.75
    """
    placed = _placements(y, score)
    return float(placed[y == 1].mean()) if 0 < int(y.sum()) < y.size else 0.5


def auc_difference(
    y: NDArray[np.int8], score: Floats, other: Floats, clusters: NDArray[np.int64]
) -> Estimate:
    """Return AUC(score) - AUC(other) on the same outcomes, with its clustered error."""
    if not 0 < int(y.sum()) < y.size:
        return Estimate(0.0, float("inf"), 0, 0.0)
    influence = np.zeros(y.size)
    value = 0.0
    for sign, scores in ((1.0, score), (-1.0, other)):
        placed = _placements(y, scores)
        area = placed[y == 1].mean()
        value += sign * float(area)
        for label in (0, 1):
            rows = y == label
            influence[rows] += sign * (placed[rows] - area) / rows.sum()
    return clustered(value, influence, clusters, groups=y)


def _placements(y: NDArray[np.int8], score: Floats) -> Floats:
    """For a positive, the share of negatives it outranks; for a negative, of positives above."""
    placed = np.full(y.size, 0.5)
    positives, negatives = np.sort(score[y == 1]), np.sort(score[y == 0])
    if positives.size == 0 or negatives.size == 0:
        return placed
    placed[y == 1] = _share_below(negatives, score[y == 1])
    placed[y == 0] = 1.0 - _share_below(positives, score[y == 0])
    return placed


def _share_below(ordered: Floats, values: Floats) -> Floats:
    below = np.searchsorted(ordered, values, side="left")
    up_to = np.searchsorted(ordered, values, side="right")
    share: Floats = (below + up_to) / (2.0 * ordered.size)
    return share


def clustered(
    value: float,
    influence: Floats,
    clusters: NDArray[np.int64],
    *,
    groups: NDArray[np.int8] | None = None,
) -> Estimate:
    """Return `value` with the error that clustered `influence` makes of it, all [n].

    The influence of a sample is by how much it moves the value. `groups`: what is averaged apart,
    as the classes are of an area. Of a group that lies in one cluster no error is known.
    """
    names, member_of = np.unique(clusters, return_inverse=True)
    count = int(names.size)
    unknown = Estimate(value, float("inf"), count, 0.0)
    if count < 2:
        return unknown
    apart = np.zeros(influence.size, dtype=np.int8) if groups is None else groups
    sums, freedom = np.zeros(count), float(count - 1)
    for group in np.unique(apart):
        rows = apart == group
        sizes = np.bincount(member_of[rows], minlength=count)
        if sizes.max() == sizes.sum():
            return unknown
        share = sizes / sizes.sum()
        sums += np.bincount(member_of[rows], influence[rows], count) / (1.0 - share)
        freedom = min(freedom, 1.0 / float((share**2).sum()) - 1.0)
    error = float(np.sqrt((sums**2).sum() * (count - 1) / count))
    return Estimate(value, error, count, freedom)
