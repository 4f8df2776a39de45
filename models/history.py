"""The shared history of one symbol: the last HISTORY_WINDOW bars, contiguous at any time.

Each ring is stored twice, so that the last n values always lie side by side:
`history.close[history.end - n : history.end]`, the current bar last. One push serves every
feature family and every strategy of a symbol.

State: float64, HISTORY_SIZE long: [bars seen, ring position, open, high, low, close, volume].
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.kernel import kernel

HISTORY_WINDOW = 256
_HEADER = 2
_RING = 2 * HISTORY_WINDOW
HISTORY_SIZE = _HEADER + 5 * _RING

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
    position = int(state[1])
    opens = state[_HEADER : _HEADER + _RING]
    highs = state[_HEADER + _RING : _HEADER + 2 * _RING]
    lows = state[_HEADER + 2 * _RING : _HEADER + 3 * _RING]
    closes = state[_HEADER + 3 * _RING : _HEADER + 4 * _RING]
    volumes = state[_HEADER + 4 * _RING : _HEADER + 5 * _RING]
    mirror = position + HISTORY_WINDOW
    opens[position] = open_
    opens[mirror] = open_
    highs[position] = high
    highs[mirror] = high
    lows[position] = low
    lows[mirror] = low
    closes[position] = close
    closes[mirror] = close
    volumes[position] = volume
    volumes[mirror] = volume
    state[0] = count
    state[1] = (position + 1) % HISTORY_WINDOW
    return History(ts, opens, highs, lows, closes, volumes, mirror + 1, count)
