"""Moving average convergence and divergence, as shares of the close.

Input: close. Output: `macd` = (EMA 12 - EMA 26) / close; `macd_signal`, the 9-bar EMA of that
difference over the close; `macd_histogram`, the first less the second. The averages begin at
the first close, the signal at 0.
Warm-up: 26 bars, 34 with the signal; convergence: until 1e-8 of the start is left in the slowest
average, and in the signal after it. NaN: before warm-up only.
Source: Appel (2005), "Technical Analysis: Power Tools for Active Investors".
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import Feature, forgetting_bars
from models.feature_history import FeatureHistory
from models.kernel import kernel

FAST, SLOW, SIGNAL = 12, 26, 9
_SLOW_BARS = forgetting_bars(1 - 2 / (SLOW + 1))
_SIGNAL_BARS = _SLOW_BARS + forgetting_bars(1 - 2 / (SIGNAL + 1))
FEATURES = (
    Feature("macd", SLOW, SLOW + _SLOW_BARS),
    Feature("macd_signal", SLOW + SIGNAL - 1, SLOW + _SIGNAL_BARS),
    Feature("macd_histogram", SLOW + SIGNAL - 1, SLOW + _SIGNAL_BARS),
)
STATE_SIZE = 3


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Move the three averages by one bar and write line, signal and histogram."""
    close = history.close[history.end - 1]
    if history.count == 1:
        state[0] = close
        state[1] = close
    state[0] += (close - state[0]) * (2.0 / (FAST + 1))
    state[1] += (close - state[1]) * (2.0 / (SLOW + 1))
    line = state[0] - state[1]
    state[2] += (line - state[2]) * (2.0 / (SIGNAL + 1))
    out[:] = np.nan
    if history.count >= SLOW:
        out[0] = line / close
    if history.count >= SLOW + SIGNAL - 1:
        out[1] = state[2] / close
        out[2] = (line - state[2]) / close
