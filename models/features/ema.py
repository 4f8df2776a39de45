"""Distance of the close from its exponential moving averages.

Input: close. Output: `ema_distance_n`, close over average less 1. The average begins at the
first close and weighs each new one 2 / (n + 1).
Warm-up: n bars; convergence: until 1e-8 of the start is left. NaN: before warm-up only.
Source: Appel (2005), "Technical Analysis: Power Tools for Active Investors".
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import Feature, forgetting_bars
from models.feature_history import FeatureHistory
from models.kernel import kernel

BARS = (10, 20, 50)
FEATURES = tuple(
    Feature(f"ema_distance_{bars}", bars, bars + forgetting_bars(1 - 2 / (bars + 1)))
    for bars in BARS
)
STATE_SIZE = len(BARS)


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Move the averages by one bar and write the distances."""
    close = history.close[history.end - 1]
    for k in range(len(BARS)):
        if history.count == 1:
            state[k] = close
        state[k] += (close - state[k]) * (2.0 / (BARS[k] + 1))
        out[k] = np.nan
        if history.count >= BARS[k]:
            out[k] = close / state[k] - 1.0
