"""The population stability index (PSI): how far the shares of bins have moved.

PSI = Σ (a - b) ln(a / b), a of the reference and b of the block. Of no change it is about
χ² (1/n + 1/m) with one degree of freedom less than there are bins, where rows are independent.
Where they run, its parts are stretched by the design effects of bins: the law is then that of F.

Sources: Yurdakul (2018), "Statistical properties of the population stability index"; Thomas and
Rao (1987) for the law of F.
"""

import numpy as np
from numpy.typing import NDArray

from engine.drift.design_effect import DesignEffect
from engine.drift.null_laws import f_critical, f_tail

SMOOTHING = 0.5

Floats = NDArray[np.float64]


def psi(own: Floats, new: Floats) -> Floats:
    """Return the PSI (k,) of the counts of two samples (k, bins).

    Bins that are empty in both are none; every other has SMOOTHING more than its count.

    >>> psi(np.array([[50.0, 50.0, 0.0]]), np.array([[20.0, 80.0, 0.0]])).round(2).tolist()
    [0.41]
    """
    is_bin = own + new > 0.0
    a, b = ((counts + SMOOTHING) * is_bin for counts in (own, new))
    a /= np.maximum(a.sum(axis=1, keepdims=True), SMOOTHING)
    b /= np.maximum(b.sum(axis=1, keepdims=True), SMOOTHING)
    ratio = np.divide(a, b, out=np.ones_like(a), where=is_bin)
    result: Floats = ((a - b) * np.log(ratio)).sum(axis=1)
    return result


def sum_tails(values: Floats, effect: DesignEffect) -> Floats:
    """Return P (k,) of a sum of squares beyond `values`, where `effect` stretches its parts.

    The sum's mean is `effect.total`, above 0; its law is that of F.
    """
    laws = zip(values.tolist(), *(one.tolist() for one in effect[:3]), strict=True)
    return np.array(
        [f_tail(value / total, parts, parts * freedom) for value, total, parts, freedom in laws]
    )


def sum_critical(alpha: float, effect: DesignEffect, column: int) -> float:
    """Return the value of which the tail of `column` is `alpha`."""
    total, parts, freedom = (float(one[column]) for one in effect[:3])
    return total * f_critical(alpha, parts, parts * freedom)
