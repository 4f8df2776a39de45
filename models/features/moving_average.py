"""Distance of the close from its moving averages, and the averages' slopes.

Input: close. Output: `sma_distance_n`, close over the n-bar mean less 1; `sma_slope_n`, the
n-bar mean over itself five bars ago less 1.
Warm-up: n bars; slopes n + 5. NaN: before warm-up only.
State: the last means of the slopes. Source: by definition.
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.feature_history import CLOSE, FeatureHistory
from models.kernel import kernel
from models.windows import sum_of

BARS = (10, 20, 50, 100, 200)
SLOPE_BARS = 5
FEATURES = (
    *(window(f"sma_distance_{bars}", bars) for bars in BARS),
    *(window(f"sma_slope_{bars}", bars + SLOPE_BARS) for bars in (20, 50, 200)),
)
STATE_SIZE = 3 * SLOPE_BARS


@kernel
def slope(means: NDArray[np.float64], mean: float, count: int, bars: int) -> float:
    """Return the mean over itself SLOPE_BARS ago less 1, and keep it in the ring `means`."""
    at = count % SLOPE_BARS
    before = means[at]
    means[at] = mean
    return mean / before - 1.0 if count >= bars + SLOPE_BARS else np.nan


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write distances and slopes as of the current close."""
    out[:] = np.nan
    end, closes, count = history.end, history.close, history.count
    close = closes[end - 1]
    if count >= 10:
        out[0] = close / (history.sum_10[CLOSE] / 10) - 1.0
    if count >= 20:
        mean = history.sum_20[CLOSE] / 20
        out[1] = close / mean - 1.0
        out[5] = slope(state[:SLOPE_BARS], mean, count, 20)
    if count >= 50:
        total = history.sum_20[CLOSE] + sum_of(closes, end - 50, end - 20)
        out[2] = close / (total / 50) - 1.0
        out[6] = slope(state[SLOPE_BARS : 2 * SLOPE_BARS], total / 50, count, 50)
    if count >= 100:
        total += sum_of(closes, end - 100, end - 50)
        out[3] = close / (total / 100) - 1.0
    if count >= 200:
        total += sum_of(closes, end - 200, end - 100)
        out[4] = close / (total / 200) - 1.0
        out[7] = slope(state[2 * SLOPE_BARS :], total / 200, count, 200)
