"""Compiled building blocks that strategies and the trade rule share.

All look at the last bars of a `models.history.History` only, so their values do not depend on
where the history began.
"""

import numpy as np
from numpy.typing import NDArray

from models.history import History
from models.kernel import kernel

Floats = NDArray[np.float64]

ATR_BARS = 14


@kernel
def mean_of_last(values: Floats, end: int, bars: int) -> float:
    """Return the mean of `values[end - bars : end]`, summed oldest first."""
    total = 0.0
    for i in range(end - bars, end):
        total += values[i]
    return total / bars


@kernel
def highest_of_last(values: Floats, end: int, bars: int) -> float:
    """Return the maximum of `values[end - bars : end]`."""
    highest = float(values[end - bars])
    for i in range(end - bars + 1, end):
        highest = max(highest, float(values[i]))
    return highest


@kernel
def true_range(high: float, low: float, previous_close: float) -> float:
    """Return max(high, previous close) - min(low, previous close), in price units."""
    return max(high, previous_close) - min(low, previous_close)


@kernel
def average_true_range(history: History) -> float:
    """Return the mean true range of the last ATR_BARS bars, in price units.

    While fewer bars are known it is the mean over those; a first bar's true range is
    high - low. A plain mean, not Wilder's recursion: it depends on the last 15 bars alone.
    Source: Wilder (1978), "New Concepts in Technical Trading Systems" (true range).
    """
    known = min(history.count, ATR_BARS)
    total = 0.0
    for i in range(history.end - known, history.end):
        if history.count <= ATR_BARS and i == history.end - history.count:
            total += history.high[i] - history.low[i]
        else:
            total += true_range(history.high[i], history.low[i], history.close[i - 1])
    return total / known
