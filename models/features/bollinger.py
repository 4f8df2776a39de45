"""Bollinger bands of 20 bars and 2 standard deviations: position and width.

Input: close. Output: `bollinger_position_20`, 0 on the lower and 1 on the upper band, 0.5 when
the closes are equal; `bollinger_width_20` >= 0, the distance of the bands over their mean.
Population standard deviation. Warm-up: 20 bars. NaN: before warm-up only.
Source: Bollinger (2001), "Bollinger on Bollinger Bands" (%b, BandWidth).
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.history import History
from models.kernel import kernel
from models.windows import sum_of

BARS = 20
FEATURES = (window("bollinger_position_20", BARS), window("bollinger_width_20", BARS))
STATE_SIZE = 0

# Below this share of the mean a standard deviation is the rounding of equal closes.
_ROUNDING = 1e-14


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write position and width as of the current close."""
    if history.count < BARS:
        out[:] = np.nan
        return
    end = history.end
    mean = sum_of(history.close, end - BARS, end) / BARS
    total = 0.0
    for i in range(end - BARS, end):
        # A share of the mean: bounded, and free of the price's unit.
        deviation = (history.close[i] - mean) / mean
        total += deviation * deviation
    spread = np.sqrt(total / BARS)
    out[0] = 0.5
    out[1] = 0.0
    if spread > _ROUNDING:
        out[0] = 0.5 + (history.close[end - 1] - mean) / mean / (4.0 * spread)
        out[1] = 4.0 * spread
