"""Compiled building blocks for families: guarded arithmetic, and sums over the last bars."""

import numpy as np
from numpy.typing import NDArray

from models.kernel import kernel

NOISE = 1e-12
"""A variance below this share of the mean square is rounding of equal values: it counts as 0."""

Floats = NDArray[np.float64]


@kernel
def quotient(numerator: float, denominator: float, otherwise: float) -> float:
    """Return numerator / denominator, or `otherwise` where the denominator is 0."""
    return numerator / denominator if denominator != 0.0 else otherwise


@kernel
def squared_deviations(total: float, squares: float, bars: int) -> float:
    """Return the sum of squared deviations from the mean, exactly 0 where it is mere rounding."""
    deviations = squares - total * total / bars
    return deviations if deviations > NOISE * squares else 0.0


@kernel
def sum_of(values: Floats, start: int, stop: int) -> float:
    """Return the sum of `values[start:stop]`, in four parts: a fixed order, whatever its place."""
    window = values[start:stop]
    fourth = len(window) // 4
    first, second = window[:fourth], window[fourth : 2 * fourth]
    third, last = window[2 * fourth : 3 * fourth], window[3 * fourth :]
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for i in range(fourth):
        a += first[i]
        b += second[i]
        c += third[i]
        d += last[i]
    for i in range(fourth, len(last)):
        a += last[i]
    return (a + b) + (c + d)
