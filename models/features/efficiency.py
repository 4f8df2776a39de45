"""Efficiency ratio: net change over the path taken, 1 for a straight move.

Input: close. Output: `efficiency_n` in [0, 1], |close - close n bars ago| over the sum of the n
absolute changes; 0 when nothing moved.
Warm-up: n + 1 bars. NaN: before warm-up only. Source: Kaufman (1995), "Smarter Trading".
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.history import History
from models.kernel import kernel
from models.windows import quotient

BARS = (10, 20, 60)
FEATURES = tuple(window(f"efficiency_{bars}", bars + 1) for bars in BARS)
STATE_SIZE = 0


@kernel
def path_of(values: NDArray[np.float64], start: int, stop: int) -> float:
    """Return the sum of `abs(values[i] - values[i - 1])` for i in start..stop - 1."""
    a, b = 0.0, 0.0
    twos = start + (stop - start) // 2 * 2
    for i in range(start, twos, 2):
        a += abs(values[i] - values[i - 1])
        b += abs(values[i + 1] - values[i])
    for i in range(twos, stop):
        a += abs(values[i] - values[i - 1])
    return a + b


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the ratios as of the current close."""
    end, closes = history.end, history.close
    path, done = 0.0, 0
    for k in range(len(BARS)):
        out[k] = np.nan
        bars = BARS[k]
        if history.count > bars:
            path += path_of(closes, end - bars, end - done)
            done = bars
            moved = abs(closes[end - 1] - closes[end - 1 - bars])
            out[k] = min(quotient(moved, path, 0.0), 1.0)
