"""Streaks: how often the close went the same way.

Input: close. Output: `streak`, bars since the close last did not move that way, within ±20, above
0 for rises, below 0 for falls, 0 after an unchanged close; `up_share_20` in [0, 1], the share of
rises in the last 20 changes.
Warm-up: 21 bars. NaN: before warm-up only.
Source: Connors and Alvarez (2008), "Short Term Trading Strategies That Work".
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.history import History
from models.kernel import kernel

BARS = 20
FEATURES = (window("streak", BARS + 1), window("up_share_20", BARS + 1))
STATE_SIZE = 0


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write streak and share as of the current close."""
    if history.count <= BARS:
        out[:] = np.nan
        return
    end, closes = history.end, history.close
    direction = np.sign(closes[end - 1] - closes[end - 2])
    length, rises, unbroken = 0, 0, True
    for i in range(end - 1, end - 1 - BARS, -1):
        change = closes[i] - closes[i - 1]
        rises += change > 0.0
        unbroken = unbroken and np.sign(change) == direction
        length += unbroken
    out[0] = direction * length
    out[1] = rises / BARS
