"""The shared history of one symbol: the last HISTORY_WINDOW bars, contiguous at any time.

Each ring is stored twice, so that the last n values always lie side by side:
`history.close[history.end - n : history.end]`, the current bar last. One push serves every
feature family and every strategy of a symbol.

State: float64, HISTORY_SIZE long: bars seen, ring position, and eight rings: open, high, low,
close, volume, log return, true range, log range.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.kernel import kernel

HISTORY_WINDOW = 256
_HEADER = 2
_RING = 2 * HISTORY_WINDOW
HISTORY_SIZE = _HEADER + 8 * _RING

LOG_RATIO_MAX = 700.0
"""Bound of a log ratio, so that windows over it stay finite: exp(700) is about 1e304."""

Floats = NDArray[np.float64]


class History(NamedTuple):
    """Views on the last bars; `count` bars were seen in all, `ts` is the current close.

    `log_return` is ln(close / previous close), NaN on the first bar; `log_range` is
    ln(high / low); `true_range` is max(high, previous close) - min(low, previous close), and
    high - low on the first bar.
    """

    ts: int
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    log_return: Floats
    true_range: Floats
    log_range: Floats
    end: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody calls


@kernel
def _log_ratio(numerator: float, denominator: float) -> float:
    value: float = np.log(numerator / denominator)
    return min(max(value, -LOG_RATIO_MAX), LOG_RATIO_MAX)


@kernel
def _ring(state: Floats, number: int, position: int, value: float) -> Floats:
    start = _HEADER + number * _RING
    ring = state[start : start + _RING]
    ring[position] = value
    ring[position + HISTORY_WINDOW] = value
    return ring


@kernel
def push(
    state: Floats, ts: int, open_: float, high: float, low: float, close: float, volume: float
) -> History:
    """Append a bar to `state` (float64, HISTORY_SIZE) and return the history as of it."""
    count = int(state[0]) + 1
    position = int(state[1])
    log_return = np.nan
    true_range = high - low
    if count > 1:
        newest = position + HISTORY_WINDOW - 1
        previous = state[_HEADER + 3 * _RING + newest]
        log_return = _log_ratio(close, previous)
        true_range = max(high, previous) - min(low, previous)
    state[0] = count
    state[1] = (position + 1) % HISTORY_WINDOW
    return History(
        ts,
        _ring(state, 0, position, open_),
        _ring(state, 1, position, high),
        _ring(state, 2, position, low),
        _ring(state, 3, position, close),
        _ring(state, 4, position, volume),
        _ring(state, 5, position, log_return),
        _ring(state, 6, position, true_range),
        _ring(state, 7, position, _log_ratio(high, low)),
        position + HISTORY_WINDOW + 1,
        count,
    )
