"""Skewness of log returns: below 0 the large moves go down.

Input: log return. Output: `skewness_n`, the third standardised moment of the last n returns, not
bias-corrected, dimensionless; 0 when they do not vary.
Warm-up: n + 1 bars. NaN: before warm-up only.
Source: Pearson (1895), moment coefficient of skewness.
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.feature_history import CUBED_RETURN, LOG_RETURN, SQUARED_RETURN, FeatureHistory
from models.kernel import kernel
from models.windows import squared_deviations

BARS = (20, 60)
FEATURES = tuple(window(f"skewness_{bars}", bars + 1) for bars in BARS)
STATE_SIZE = 0


@kernel
def skewness(sums: NDArray[np.float64], bars: int) -> float:
    """Return the skewness of log returns from their sums of powers over `bars` returns."""
    total, squares = sums[LOG_RETURN], sums[SQUARED_RETURN]
    mean = total / bars
    variance = squared_deviations(total, squares, bars) / bars
    third = sums[CUBED_RETURN] / bars - mean * (3.0 * squares / bars - 2.0 * mean * mean)
    return third / (variance * np.sqrt(variance)) if variance > 0.0 else 0.0


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the skewness as of the current close."""
    out[0] = skewness(history.sum_20, 20) if history.count > 20 else np.nan
    out[1] = skewness(history.sum_60, 60) if history.count > 60 else np.nan
