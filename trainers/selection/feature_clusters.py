"""Features that say the same: hierarchical clusters by rank correlation.

The distance of two features is 1 - |Spearman's rho|: a feature and its negative are one piece of
news, and no monotone transform of a feature changes anything. Clusters are merged by average
linkage (UPGMA, Sokal and Michener 1958), so that two of them join at 1 minus the mean |rho|
between them.

Columns are taken in the order of their names, ties too, so that the order in which they come
changes nothing but the order of the answer. Everything is computed from the rows given: call it
on training rows only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from streams.errors import ConfigError, DataError
from trainers.columns import complete_rows, usable_columns
from trainers.selection.rank_correlation import rank_correlation

CLUSTERS = 30
LEFT_OUT = -1
SAME = 1e-9
"""Features nearer than this order the rows alike, and are never parted."""


@dataclass(frozen=True, slots=True)
class FeatureClusters:
    """Which feature is in which cluster, columns in the order given.

    `cluster_of` int64[k]: 0..count - 1, numbered by the first name of each, or LEFT_OUT.
    `correlation` float64[k, k]: Spearman's rho, NaN where either column is left out.
    """

    names: tuple[str, ...]
    cluster_of: NDArray[np.int64]
    correlation: NDArray[np.float64]

    @property
    def count(self) -> int:
        """The number of clusters."""
        return int(self.cluster_of.max(initial=LEFT_OUT)) + 1

    @property
    def left_out(self) -> tuple[str, ...]:
        """The names of the columns in no cluster, sorted."""
        return self._named(LEFT_OUT)

    @property
    def members(self) -> tuple[tuple[str, ...], ...]:
        """The names in each cluster, sorted."""
        return tuple(self._named(cluster) for cluster in range(self.count))

    def columns_of(self, cluster: int) -> NDArray[np.int64]:
        """Return the columns of a cluster in the order of their names."""
        columns = np.flatnonzero(self.cluster_of == cluster)
        return np.array(sorted(columns, key=lambda column: self.names[column]), dtype=np.int64)

    def _named(self, cluster: int) -> tuple[str, ...]:
        return tuple(self.names[column] for column in self.columns_of(cluster))


def feature_clusters(
    x: NDArray[np.float32], names: Sequence[str], *, clusters: int = CLUSTERS
) -> FeatureClusters:
    """Return at most `clusters` clusters of the columns of x[n, k], called `names`.

    Exactly that many where so many columns differ; fewer where there are fewer that are usable,
    and features that order all rows alike always share one. Left out are the columns that
    `usable_columns` leaves out: constant ones, and those unknown (NaN, ±inf) in too many rows.
    Of the others, rows in which any is unknown are not looked at, as no model is trained on
    them. No rows, no clusters.

    Raises ConfigError for fewer than one cluster, DataError for names that do not fit.

    >>> x = np.array([[1, 5, 2], [2, 4, 9], [3, 3, 1], [4, 2, 8]], dtype=np.float32)
    >>> feature_clusters(x, ("up", "down", "other"), clusters=2).members
    (('down', 'up'), ('other',))
    """
    if clusters < 1:
        raise ConfigError(f"clusters must be 1 or more, was {clusters}")
    if x.ndim != 2 or x.shape[1] != len(names):
        raise DataError(f"x has shape {x.shape}, and {len(names)} names: give one per column")
    by_name = np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)
    if len(set(names)) < len(names):
        twice = next(name for name in sorted(names) if list(names).count(name) > 1)
        raise DataError(f"two columns are called {twice!r}: every feature needs its own name")
    ordered = x[:, by_name]
    usable = usable_columns(ordered)
    live = ordered[complete_rows(ordered, usable)][:, usable]
    # What varied only in rows with unknown values varies no longer.
    varies = live.min(axis=0) < live.max(axis=0) if live.size else np.zeros(usable.size, np.bool_)
    columns = by_name[usable[varies]]
    rho = rank_correlation(live[:, varies])
    cluster_of = np.full(len(names), LEFT_OUT, dtype=np.int64)
    for number, group in enumerate(_groups(rho, clusters)):
        cluster_of[columns[group]] = number
    correlation = np.full((len(names), len(names)), np.nan)
    correlation[np.ix_(columns, columns)] = rho
    return FeatureClusters(tuple(names), cluster_of, correlation)


def _groups(rho: NDArray[np.float64], clusters: int) -> list[list[int]]:
    """Rows of `rho` that belong together, each ascending, by their first."""
    count = rho.shape[0]
    groups = {row: [row] for row in range(count)}
    if count > 1:
        distance = 1.0 - np.abs(rho)
        np.fill_diagonal(distance, 0.0)
        merges = linkage(squareform(distance, checks=False), method="average")
        for step, (left, right, height, _) in enumerate(merges):
            if len(groups) <= clusters and height > SAME:
                break
            groups[count + step] = groups.pop(int(left)) + groups.pop(int(right))
    return sorted(sorted(group) for group in groups.values())
