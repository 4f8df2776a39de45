"""Efficiency ratio: net change over the path taken, 1 for a straight move.

Input: close. Output: `efficiency_n` in [0, 1], |close - close n bars ago| over the sum of the n
absolute changes; 0 when nothing moved.
Warm-up: n + 1 bars. NaN: before warm-up only. Source: Kaufman (1995), "Smarter Trading".
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.feature_history import PATH, FeatureHistory
from models.kernel import kernel
from models.windows import quotient

BARS = (10, 20, 60)
FEATURES = tuple(window(f"efficiency_{bars}", bars + 1) for bars in BARS)
STATE_SIZE = 0


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the ratios as of the current close."""
    newest = history.end - 1
    paths = (history.sum_10[PATH], history.sum_20[PATH], history.sum_60[PATH])
    for k in range(len(BARS)):
        out[k] = np.nan
        if history.count > BARS[k]:
            moved = abs(history.close[newest] - history.close[newest - BARS[k]])
            out[k] = min(quotient(moved, paths[k], 0.0), 1.0)
