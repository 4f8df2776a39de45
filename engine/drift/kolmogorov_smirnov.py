"""The two-sample Kolmogorov-Smirnov distance, of many columns at once.

Where rows run, n of them count as n over the mean design effect of the distribution function.
Equal values are one step, so ties make the test more careful, never less.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.drift.design_effect import DesignEffect, design_effect
from engine.drift.null_laws import kolmogorov_critical, kolmogorov_tail

_VARIANCE_MIN = 1e-12

Floats = NDArray[np.float64]
Rows = NDArray[np.float32]


def distance(own: Rows, new: Rows) -> Floats:
    """Return the greatest distance (k,) of the distribution functions of (n, k) and (m, k).

    NaN is left out; a column without a value has a distance of 0.
    """
    rows = np.concatenate((own, new))
    order = rows.argsort(axis=0, kind="stable")
    ordered = np.take_along_axis(rows, order, axis=0)
    n, m = (np.maximum(np.count_nonzero(~np.isnan(one), axis=0), 1) for one in (own, new))
    step = np.where(order < len(own), 1.0 / n, -1.0 / m)
    step[np.isnan(ordered)] = 0.0
    apart = np.abs(np.cumsum(step, axis=0))
    apart[:-1][ordered[1:] == ordered[:-1]] = 0.0
    result: Floats = apart.max(axis=0)
    return result


def steps_effect(stretches: tuple[Floats, ...], rows: Floats, share: Floats) -> DesignEffect:
    """Return the design effect of the distribution function at the edges of bins.

    `stretches` and `rows` as `design_effect` takes them, of bins in order with shares `share`
    (k, bins). `total` is the mean over the edges, each by the variance that it has, and 1 or
    more; inf for a column that stands still.
    """
    below = np.cumsum(share, axis=1)[:, :-1]
    variance = np.maximum(below * (1.0 - below), 0.0)
    steps = tuple(np.cumsum(one, axis=2)[:, :, :-1] for one in stretches)
    effect = design_effect(steps, rows, np.ones_like(variance), 0.0)
    of_all = variance.sum(axis=1)
    mean = np.full_like(of_all, np.inf)
    np.divide(effect.total, of_all, out=mean, where=of_all > _VARIANCE_MIN)
    return effect._replace(total=mean).at_least(1.0)


def distance_tails(scaled: Floats, effect: DesignEffect) -> Floats:
    """Return P (k,) of a distance beyond `scaled`, which is one between samples of one row each.

    1 for a column that stands still.
    """
    laws = zip(scaled.tolist(), effect.total.tolist(), effect.freedom.tolist(), strict=True)
    return np.array(
        [kolmogorov_tail(value / math.sqrt(total), freedom) for value, total, freedom in laws]
    )


def distance_critical(alpha: float, effect: DesignEffect, column: int) -> float:
    """Return the scaled distance of which the tail of `column` is `alpha`."""
    scale = math.sqrt(float(effect.total[column]))
    return scale * kolmogorov_critical(alpha, float(effect.freedom[column]))
