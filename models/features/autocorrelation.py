"""Autocorrelation of log returns at lag 1: above 0 moves go on, below 0 they turn back.

Input: log return. Output: `autocorrelation_n` in [-1, 1]: the last n returns against those one
bar earlier, with 0 as their mean; 0 when either did not vary.
Warm-up: n + 2 bars. NaN: before warm-up only. State: the sums of squares one bar ago.
Source: Box and Jenkins (1970), "Time Series Analysis"; uncentred, as returns' means are noise.
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.feature_history import LAGGED_RETURNS, SQUARED_RETURN, FeatureHistory
from models.kernel import kernel
from models.windows import quotient

FEATURES = (window("autocorrelation_20", 22), window("autocorrelation_60", 62))
STATE_SIZE = 2


@kernel
def autocorrelation(lagged: float, squares: float, squares_before: float) -> float:
    """Return sum(r[i] * r[i - 1]) over the root of both sums of squares, 0 for no variation."""
    value = quotient(lagged, np.sqrt(squares) * np.sqrt(squares_before), 0.0)
    return min(max(value, -1.0), 1.0)


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the autocorrelations as of the current close."""
    out[:] = np.nan
    squares_20, squares_60 = history.sum_20[SQUARED_RETURN], history.sum_60[SQUARED_RETURN]
    if history.count > 21:
        out[0] = autocorrelation(history.sum_20[LAGGED_RETURNS], squares_20, state[0])
    if history.count > 61:
        out[1] = autocorrelation(history.sum_60[LAGGED_RETURNS], squares_60, state[1])
    state[0] = squares_20
    state[1] = squares_60
