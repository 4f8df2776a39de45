"""Indicators and entry rules of strategies by the book: numpy over whole columns, plain loops.

Nothing here draws on the house's kernels. A rule returns `Told`: what it says at every close.
"""

from typing import Any, NamedTuple

import numpy as np

Floats = np.ndarray
Bools = np.ndarray
ATR_BARS = 14


class Told(NamedTuple):
    """Of one side at each close: to enter, with what score, to leave; and the indicators."""

    enter: Bools
    score: Floats
    leave: Bools
    indicators: dict[str, Floats]


class Columns(NamedTuple):
    """The bars of one symbol, oldest first."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats

    def mirrored(self) -> "Columns":
        """The same market upside down: a short rule is the long rule of it."""
        return Columns(-self.open, -self.low, -self.high, -self.close)


def over_last(values: Floats, bars: int, figure: Any) -> Floats:
    """`figure` of each value and the `bars` - 1 before it, NaN for the first."""
    out = np.full(len(values), np.nan)
    if bars > len(values):
        return out
    windows = np.lib.stride_tricks.sliding_window_view(values, bars)
    out[bars - 1 :] = figure(windows, axis=1)
    return out


def mean(values: Floats, bars: int) -> Floats:
    return over_last(values, bars, np.mean)


def highest(values: Floats, bars: int) -> Floats:
    return over_last(values, bars, np.max)


def lowest(values: Floats, bars: int) -> Floats:
    return over_last(values, bars, np.min)


def before(values: Floats, bars: int = 1) -> Floats:
    """The value `bars` before each, NaN for the first."""
    out = np.full(len(values), np.nan)
    out[bars:] = values[: max(0, len(values) - bars)]
    return out


def recursive(values: Floats, bars: int, weight: float) -> Floats:
    """A recursive average that begins with the plain mean of the first `bars` numbers."""
    out = np.full(len(values), np.nan)
    first = int(np.argmax(~np.isnan(values)))
    seed_at = first + bars - 1
    if np.isnan(values[first]) or seed_at >= len(values):
        return out
    out[seed_at] = values[first : seed_at + 1].mean()
    for i in range(seed_at + 1, len(values)):
        out[i] = weight * values[i] + (1.0 - weight) * out[i - 1]
    return out


def ema(values: Floats, bars: int) -> Floats:
    return recursive(values, bars, 2.0 / (bars + 1.0))


def wilder(values: Floats, bars: int) -> Floats:
    return recursive(values, bars, 1.0 / bars)


def true_range(x: Columns) -> Floats:
    previous = before(x.close)
    previous[0] = x.close[0]
    return np.maximum(x.high, previous) - np.minimum(x.low, previous)


def atr(x: Columns) -> Floats:
    ranges = true_range(x)
    whole = mean(ranges, ATR_BARS)
    known = np.cumsum(ranges[:ATR_BARS]) / np.arange(1, ATR_BARS + 1)
    return np.concatenate((known, whole[ATR_BARS:]))


def with_trend(x: Columns, bars: int) -> Bools:
    return np.full(len(x.close), True) if bars == 0 else x.close > mean(x.close, bars)


def squashed(distance: Floats, unit: Floats | float) -> Floats:
    ratio = np.maximum(distance, 0.0) / unit
    return ratio / (1.0 + ratio)
