"""Skewness of log returns: below 0 the large moves go down.

Input: log return. Output: `skewness_n`, the third standardised moment of the last n returns, not
bias-corrected, dimensionless; 0 when they do not vary.
Warm-up: n + 1 bars. NaN: before warm-up only.
Source: Pearson (1895), moment coefficient of skewness.
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.history import History
from models.kernel import kernel
from models.windows import squared_deviations, sum_of, sum_of_cubes, sum_of_squares

BARS = (20, 60)
FEATURES = tuple(window(f"skewness_{bars}", bars + 1) for bars in BARS)
STATE_SIZE = 0


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the skewness as of the current close."""
    end, returns = history.end, history.log_return
    for k in range(len(BARS)):
        out[k] = np.nan
        bars = BARS[k]
        if history.count > bars:
            total = sum_of(returns, end - bars, end)
            squares = sum_of_squares(returns, end - bars, end)
            cubes = sum_of_cubes(returns, end - bars, end)
            mean = total / bars
            variance = squared_deviations(total, squares, bars) / bars
            third = cubes / bars - mean * (3.0 * squares / bars - 2.0 * mean * mean)
            out[k] = third / (variance * np.sqrt(variance)) if variance > 0.0 else 0.0
