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
def lowest_of_last(values: Floats, end: int, bars: int) -> float:
    """Return the minimum of `values[end - bars : end]`."""
    lowest = float(values[end - bars])
    for i in range(end - bars + 1, end):
        lowest = min(lowest, float(values[i]))
    return lowest


@kernel
def deviation_of_last(values: Floats, end: int, bars: int, mean: float) -> float:
    """Return the standard deviation of `values[end - bars : end]` about `mean`, over `bars`."""
    total = 0.0
    for i in range(end - bars, end):
        total += (values[i] - mean) * (values[i] - mean)
    return float(np.sqrt(total / bars))


@kernel
def smoothed(average: float, value: float, count: int, bars: int, weight: float) -> float:
    """Return a recursive average after its `count`-th value: a plain mean over the first `bars`.

    From then on `value` enters by `weight`: 2 / (bars + 1) is an exponential average, 1 / bars
    Wilder's. `average` is 0 before the first value.
    """
    if count <= bars:
        return average + (value - average) / count
    return average + (value - average) * weight


@kernel
def exponential(average: float, value: float, count: int, bars: int) -> float:
    """Return an exponential moving average after its `count`-th value: see `smoothed`."""
    return float(smoothed(average, value, count, bars, 2.0 / (bars + 1)))


@kernel
def follows_trend(history: History, bars: int, side: float) -> bool:
    """Return whether the close is above (side 1) or below (-1) the mean of its last `bars`.

    With `bars` 0 always, with fewer bars known never.
    """
    if bars == 0:
        return True
    if history.count < bars:
        return False
    mean = mean_of_last(history.close, history.end, bars)
    return bool(side * (history.close[history.end - 1] - mean) > 0.0)


@kernel
def strength(distance: float, unit: float) -> float:
    """Return x / (1 + x) for x = distance / unit, in [0, 1): 0.5 at one unit, 0 where negative."""
    if not distance > 0.0:
        return 0.0
    return distance / (distance + unit)


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


@kernel
def measure_entry(history: History, out: Floats) -> None:
    """Write ATR(14) beside the entry that a strategy has written into `out`, if there is one.

    An entry is taken back where ATR is 0: a stop would stand at the close itself, so that the
    trade risked nothing and had no R. A halted market would signal at every bar, with full score.
    """
    if out[0] == 0.0:
        return
    atr = average_true_range(history)
    if atr > 0.0:
        out[5] = atr
        return
    out[0] = 0.0
    out[1] = 0.0
    out[2] = np.nan
