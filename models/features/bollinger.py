"""Bollinger bands of 20 bars and 2 standard deviations: position and width.

Input: close. Output: `bollinger_position_20`, 0 on the lower and 1 on the upper band, 0.5 when
the closes are equal; `bollinger_width_20` >= 0, the distance of the bands over their mean.
Population standard deviation. Warm-up: 20 bars. NaN: before warm-up only.
Source: Bollinger (2001), "Bollinger on Bollinger Bands" (%b, BandWidth).
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.feature_history import CLOSE, FeatureHistory
from models.kernel import kernel

BARS = 20
FEATURES = (window("bollinger_position_20", BARS), window("bollinger_width_20", BARS))
STATE_SIZE = 0

# Below this share of the mean a standard deviation is the rounding of equal closes.
_ROUNDING = 1e-14


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write position and width as of the current close."""
    if history.count < BARS:
        out[:] = np.nan
        return
    mean = history.sum_20[CLOSE] / BARS
    # Two passes: a sum of squared prices would drown a calm market's spread in rounding.
    window_closes = history.close[history.end - BARS : history.end]
    even, odd = 0.0, 0.0
    for i in range(BARS // 2):
        even += (window_closes[2 * i] - mean) ** 2
        odd += (window_closes[2 * i + 1] - mean) ** 2
    spread = np.sqrt((even + odd) / BARS)
    out[0] = 0.5
    out[1] = 0.0
    if spread > _ROUNDING * mean:
        out[0] = 0.5 + (window_closes[BARS - 1] - mean) / (4.0 * spread)
        out[1] = 4.0 * spread / mean
