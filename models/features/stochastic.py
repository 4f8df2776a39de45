"""Stochastic oscillator: the close within the range of 14 bars, and its 3-bar mean.

Input: high, low, close. Output: `stochastic_k_14` and `stochastic_d_14` in [0, 100]; 50 for a
range of 0. Warm-up: 14 and 16 bars. NaN: before warm-up only. State: the last two %K.
Source: Lane (1984), "Lane's Stochastics".
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.feature_history import FeatureHistory
from models.kernel import kernel
from models.windows import quotient

BARS = 14
FEATURES = (window("stochastic_k_14", BARS), window("stochastic_d_14", BARS + 2))
STATE_SIZE = 2


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write %K and %D as of the current close."""
    out[:] = np.nan
    if history.count < BARS:
        return
    high, low = history.highest.last_14, history.lowest.last_14
    out[0] = 100.0 * quotient(history.close[history.end - 1] - low, high - low, 0.5)
    if history.count >= BARS + 2:
        out[1] = (state[0] + state[1] + out[0]) / 3.0
    state[0] = state[1]
    state[1] = out[0]
