"""Volume against its own recent past, in units and in money.

Input: close, volume. Output: `volume_to_mean_n` >= 0, the bar's volume over the n-bar mean;
`volume_5_to_20` and `volume_20_to_60` >= 0, ratios of means; `volume_zscore_20`, in sample
standard deviations, 0 when volume does not vary; `dollar_volume_to_mean_20` and
`dollar_volume_5_to_60` >= 0, the same with close * volume; `up_volume_share_20` in [0, 1], the
volume of rises over all, unchanged closes counting half, 0.5 without any volume.
A ratio is 1 when there was no volume at all. Windows include the current bar.
Warm-up: the longest window; up_volume_share_20: 21 bars. NaN: before warm-up only.
Source: by definition; the share after Granville (1963), "New Key to Stock Market Profits".
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.feature_history import MONEY, RISING_VOLUME, SQUARED_VOLUME, VOLUME, FeatureHistory
from models.kernel import kernel
from models.windows import quotient, squared_deviations

FEATURES = (
    window("volume_to_mean_5", 5),
    window("volume_to_mean_20", 20),
    window("volume_5_to_20", 20),
    window("volume_20_to_60", 60),
    window("volume_zscore_20", 20),
    window("dollar_volume_to_mean_20", 20),
    window("dollar_volume_5_to_60", 60),
    window("up_volume_share_20", 21),
)
STATE_SIZE = 0


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the volume features as of the current bar."""
    out[:] = np.nan
    count, newest = history.count, history.volume[history.end - 1]
    fives, twenties, sixties = history.sum_5, history.sum_20, history.sum_60
    if count >= 5:
        out[0] = quotient(newest, fives[VOLUME] / 5, 1.0)
    if count >= 20:
        mean = twenties[VOLUME] / 20
        squares = squared_deviations(twenties[VOLUME], twenties[SQUARED_VOLUME], 20)
        out[1] = quotient(newest, mean, 1.0)
        out[2] = quotient(fives[VOLUME] / 5, mean, 1.0)
        out[4] = quotient(newest - mean, np.sqrt(squares / 19), 0.0)
        money = history.close[history.end - 1] * newest
        out[5] = quotient(money, twenties[MONEY] / 20, 1.0)
    if count > 20:
        out[7] = quotient(twenties[RISING_VOLUME], twenties[VOLUME], 0.5)
    if count >= 60:
        out[3] = quotient(mean, sixties[VOLUME] / 60, 1.0)
        out[6] = quotient(fives[MONEY] / 5, sixties[MONEY] / 60, 1.0)
