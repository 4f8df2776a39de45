"""Streaks: how often the close went the same way.

Input: close. Output: `streak`, bars since the close last did not move that way, within ±20, above
0 for rises, below 0 for falls, 0 after an unchanged close; `up_share_20` in [0, 1], the share of
rises in the last 20 changes.
Warm-up: 21 bars. NaN: before warm-up only. State: the streak.
Source: Connors and Alvarez (2008), "Short Term Trading Strategies That Work".
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.feature_history import RISES, FeatureHistory
from models.kernel import kernel

BARS = 20
FEATURES = (window("streak", BARS + 1), window("up_share_20", BARS + 1))
STATE_SIZE = 1


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Move the streak by one bar; write it and the share as of the current close."""
    out[:] = np.nan
    if history.count < 2:
        return
    direction = np.sign(history.close[history.end - 1] - history.previous_close)
    length = min(abs(state[0]), BARS - 1.0) if np.sign(state[0]) == direction else 0.0
    state[0] = direction * (length + 1.0)
    if history.count > BARS:
        out[0] = state[0]
        out[1] = history.sum_20[RISES] / BARS
