"""Distance of the close from its moving averages, and the averages' slopes.

Input: close. Output: `sma_distance_n`, close over the n-bar mean less 1; `sma_slope_n`, the
n-bar mean over itself five bars ago less 1.
Warm-up: n bars; slopes n + 5. NaN: before warm-up only. Source: by definition.
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.history import History
from models.kernel import kernel
from models.windows import sum_of

BARS = (10, 20, 50, 100, 200)
SLOPE_BARS = 5
SLOPES = (20, 50, 200)
FEATURES = (
    *(window(f"sma_distance_{bars}", bars) for bars in BARS),
    *(window(f"sma_slope_{bars}", bars + SLOPE_BARS) for bars in SLOPES),
)
STATE_SIZE = 0


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write distances and slopes as of the current close."""
    out[:] = np.nan
    end, closes = history.end, history.close
    if history.count < BARS[0]:
        return
    # A mean and its like five bars ago share all but five closes at either end.
    newest = sum_of(closes, end - SLOPE_BARS, end)
    shared, done, slope = 0.0, SLOPE_BARS, len(BARS)
    for k in range(len(BARS)):
        bars = BARS[k]
        if history.count >= bars:
            shared += sum_of(closes, end - bars, end - done)
            done = bars
            out[k] = closes[end - 1] / ((newest + shared) / bars) - 1.0
        if bars in SLOPES:
            if history.count >= bars + SLOPE_BARS:
                before = sum_of(closes, end - bars - SLOPE_BARS, end - bars)
                out[slope] = (newest + shared) / (before + shared) - 1.0
            slope += 1
