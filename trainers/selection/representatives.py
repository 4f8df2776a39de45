"""One feature for each cluster.

`medoid`, the default, takes the feature with the highest mean |rho| to the others of its cluster:
it never sees an outcome; of two, it is the first name. `association` takes the one whose ranks
tell the classes apart best, by the area under the weighted ROC curve: it uses the outcomes a
second time, before the learner does.

The medoid is the sounder: correlations between features are strong and estimated well, while the
associations of a cluster's members with an outcome near the noise floor differ by less than
their errors, so that choosing by them chooses mostly noise, another noise in each fold.
On Layer A (Bayes AUC .62, ridge logistic, 40 seeds) at n = 500 / 2000 with 30 clusters: AUC .567 /
.588 by medoids, .566 / .585 by association, .567 / .585 with all features; stability of the
choice from seed to seed .50 / .52 against .24 / .30, and with 24 clusters 1.00 against .49 / .57.
"""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from streams.errors import ConfigError, DataError
from trainers.columns import complete_rows
from trainers.selection.feature_clusters import LEFT_OUT, FeatureClusters

Rule = Literal["medoid", "association"]

_DECIMALS = 9
"""Merits that agree so far are a tie, which the first name wins."""

Floats = NDArray[np.float64]


def choose_representatives(
    clusters: FeatureClusters,
    x: NDArray[np.float32],
    y: NDArray[np.int8],
    weights: Floats,
    *,
    rule: Rule = "medoid",
) -> NDArray[np.int64]:
    """Return one column of x[n, k] for each cluster, int64 ascending; ties by name.

    `x`, `y` in {0, 1} and `weights` > 0 are those of the training rows; `medoid` does not look
    at them. `association` looks at the rows in which every clustered column is known.

    Raises ConfigError for a rule that is not known, DataError where the columns are others or a
    class is missing.
    """
    if rule not in get_args(Rule):
        raise ConfigError(f"rule must be one of {', '.join(get_args(Rule))}, was {rule!r}")
    if x.shape != (y.size, len(clusters.names)) or weights.shape != y.shape:
        raise DataError(
            f"x has shape {x.shape}, with {y.size} outcomes, {weights.size} weights and "
            f"{len(clusters.names)} clustered columns: give the rows that were clustered"
        )
    if rule == "medoid":
        return _best(clusters, lambda columns: _centrality(clusters.correlation, columns))
    rows = complete_rows(x, np.flatnonzero(clusters.cluster_of != LEFT_OUT))
    seen, outcome, weight = np.asfortranarray(x[rows]), y[rows], weights[rows]
    return _best(
        clusters,
        lambda columns: np.array(
            [rank_association(seen[:, column], outcome, weight) for column in columns]
        ),
    )


def rank_association(values: NDArray[np.float32], y: NDArray[np.int8], weights: Floats) -> float:
    """Return |2·AUC - 1| of finite `values` for y in {0, 1}, weighted; 0 knows nothing.

    Somers' D without its sign; ties count half. Raises DataError when a class is missing.

    >>> one = np.ones(4)
    >>> values = np.array([0.1, 0.4, 0.35, 0.8], dtype=np.float32)
    >>> rank_association(values, np.array([0, 0, 1, 1], dtype=np.int8), one)
    0.5
    """
    order = np.argsort(values)
    rising, good = values[order], weights[order] * (y[order] == 1)
    bad = weights[order] - good
    if good.sum() <= 0.0 or bad.sum() <= 0.0:
        raise DataError("y has one class only: an association needs outcomes of both")
    starts = np.flatnonzero(np.concatenate(([True], rising[1:] != rising[:-1])))
    wins, losses = np.add.reduceat(good, starts), np.add.reduceat(bad, starts)
    # Halves of every tie go to both sides.
    area = float(wins @ (np.cumsum(losses) - losses / 2.0)) / float(wins.sum() * losses.sum())
    return round(abs(2.0 * area - 1.0), _DECIMALS)


def _best(
    clusters: FeatureClusters, merit: Callable[[NDArray[np.int64]], Floats]
) -> NDArray[np.int64]:
    chosen = [
        columns[int(merit(columns).argmax())]
        for columns in map(clusters.columns_of, range(clusters.count))
    ]
    return np.array(sorted(chosen), dtype=np.int64)


def _centrality(correlation: Floats, columns: NDArray[np.int64]) -> Floats:
    total: Floats = np.abs(correlation[np.ix_(columns, columns)]).mean(axis=1).round(_DECIMALS)
    return total
