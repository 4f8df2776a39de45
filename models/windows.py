"""Compiled building blocks over the last bars of a history.

Sums use four accumulators, a fixed order: the same window gives the same bits whatever came
before it. The running extremes are exact too; they save the scan of bars that cannot matter.
"""

import numpy as np
from numpy.typing import NDArray

from models.kernel import kernel

NOISE = 1e-12
"""A variance below this share of the mean square is rounding of equal values: it counts as 0."""

Floats = NDArray[np.float64]


@kernel
def sum_of(values: Floats, start: int, stop: int) -> float:
    """Return the sum of `values[start:stop]`."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    fours = start + (stop - start) // 4 * 4
    for i in range(start, fours, 4):
        a += values[i]
        b += values[i + 1]
        c += values[i + 2]
        d += values[i + 3]
    for i in range(fours, stop):
        a += values[i]
    return (a + b) + (c + d)


@kernel
def sum_of_products(left: Floats, right: Floats, start: int, stop: int, lag: int) -> float:
    """Return the sum of `left[i] * right[i - lag]` for i in start..stop - 1."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    fours = start + (stop - start) // 4 * 4
    for i in range(start, fours, 4):
        a += left[i] * right[i - lag]
        b += left[i + 1] * right[i + 1 - lag]
        c += left[i + 2] * right[i + 2 - lag]
        d += left[i + 3] * right[i + 3 - lag]
    for i in range(fours, stop):
        a += left[i] * right[i - lag]
    return (a + b) + (c + d)


@kernel
def sum_of_squares(values: Floats, start: int, stop: int) -> float:
    """Return the sum of the squares of `values[start:stop]`."""
    return sum_of_products(values, values, start, stop, 0)


@kernel
def sum_of_cubes(values: Floats, start: int, stop: int) -> float:
    """Return the sum of the cubes of `values[start:stop]`."""
    a, b = 0.0, 0.0
    twos = start + (stop - start) // 2 * 2
    for i in range(start, twos, 2):
        a += values[i] * values[i] * values[i]
        b += values[i + 1] * values[i + 1] * values[i + 1]
    for i in range(twos, stop):
        a += values[i] * values[i] * values[i]
    return a + b


@kernel
def squared_deviations(total: float, squares: float, bars: int) -> float:
    """Return the sum of squared deviations from the mean, exactly 0 where it is mere rounding."""
    deviations = squares - total * total / bars
    return deviations if deviations > NOISE * squares else 0.0


@kernel
def quotient(numerator: float, denominator: float, otherwise: float) -> float:
    """Return numerator / denominator, or `otherwise` where the denominator is 0."""
    return numerator / denominator if denominator != 0.0 else otherwise


@kernel
def highest_of(values: Floats, start: int, stop: int) -> float:
    """Return the maximum of `values[start:stop]`."""
    highest: float = values[start]
    for i in range(start + 1, stop):
        highest = max(highest, values[i])
    return highest


@kernel
def lowest_of(values: Floats, start: int, stop: int) -> float:
    """Return the minimum of `values[start:stop]`."""
    lowest: float = values[start]
    for i in range(start + 1, stop):
        lowest = min(lowest, values[i])
    return lowest


@kernel
def running_highest(state: Floats, values: Floats, end: int, count: int, bars: int) -> None:
    """Keep the maximum of the last `bars` values in `state`: [value, number of its bar].

    Of equal values the newest counts. Only when the maximum leaves the window is it scanned.
    """
    if count == 1 or values[end - 1] >= state[0]:
        state[0] = values[end - 1]
        state[1] = count
    elif count - state[1] >= bars:
        at = end - bars
        for i in range(end - bars + 1, end):
            if values[i] >= values[at]:
                at = i
        state[0] = values[at]
        state[1] = count - (end - 1 - at)


@kernel
def running_lowest(state: Floats, values: Floats, end: int, count: int, bars: int) -> None:
    """Keep the minimum of the last `bars` values in `state`: [value, number of its bar].

    Of equal values the newest counts. Only when the minimum leaves the window is it scanned.
    """
    if count == 1 or values[end - 1] <= state[0]:
        state[0] = values[end - 1]
        state[1] = count
    elif count - state[1] >= bars:
        at = end - bars
        for i in range(end - bars + 1, end):
            if values[i] <= values[at]:
                at = i
        state[0] = values[at]
        state[1] = count - (end - 1 - at)
