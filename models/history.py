"""The shared history of one symbol: the last HISTORY_WINDOW bars, contiguous at any time.

A column has room for SPARE_BARS more; when it is full, its last bars move to its front. So the
last n values always lie side by side: `history.close[history.end - n : history.end]`, the
current bar last, and zeros before the first bar. One push serves every feature family and every
strategy of a symbol.

State: float64, HISTORY_SIZE long: [bars seen, spare bars used, open, high, low, close, volume].
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.kernel import kernel

HISTORY_WINDOW = 256
SPARE_BARS = 64
_HEADER = 2
_KEPT = HISTORY_WINDOW - 1
_COLUMN = HISTORY_WINDOW + SPARE_BARS
HISTORY_SIZE = _HEADER + 5 * _COLUMN

Floats = NDArray[np.float64]


class History(NamedTuple):
    """Views on the last bars; `count` bars were seen in all, `ts` is the current close."""

    ts: int
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    end: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody calls


@kernel
def push(
    state: Floats, ts: int, open_: float, high: float, low: float, close: float, volume: float
) -> History:
    """Append a bar to `state` (float64, HISTORY_SIZE) and return the history as of it."""
    count = int(state[0]) + 1
    used = int(state[1])
    opens = state[_HEADER : _HEADER + _COLUMN]
    highs = state[_HEADER + _COLUMN : _HEADER + 2 * _COLUMN]
    lows = state[_HEADER + 2 * _COLUMN : _HEADER + 3 * _COLUMN]
    closes = state[_HEADER + 3 * _COLUMN : _HEADER + 4 * _COLUMN]
    volumes = state[_HEADER + 4 * _COLUMN : _HEADER + 5 * _COLUMN]
    if used > SPARE_BARS:
        for column in (opens, highs, lows, closes, volumes):
            for i in range(_KEPT):
                column[i] = column[i + SPARE_BARS + 1]
        used = 0
    newest = _KEPT + used
    opens[newest] = open_
    highs[newest] = high
    lows[newest] = low
    closes[newest] = close
    volumes[newest] = volume
    state[0] = count
    state[1] = used + 1
    return History(ts, opens, highs, lows, closes, volumes, newest + 1, count)
