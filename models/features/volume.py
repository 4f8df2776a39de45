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
from models.history import History
from models.kernel import kernel
from models.windows import quotient, squared_deviations, sum_of, sum_of_products, sum_of_squares

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
def rising_share(closes: NDArray[np.float64], volumes: NDArray[np.float64], end: int) -> float:
    """Return the share of the last 20 bars' volume that came with rising closes."""
    rising, total = 0.0, 0.0
    for i in range(end - 20, end):
        total += volumes[i]
        weight = 0.5 + 0.5 * np.sign(closes[i] - closes[i - 1])
        rising += weight * volumes[i]
    return quotient(rising, total, 0.5)


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the volume features as of the current bar."""
    out[:] = np.nan
    end, closes, volumes, count = history.end, history.close, history.volume, history.count
    if count < 5:
        return
    newest = volumes[end - 1]
    five = sum_of(volumes, end - 5, end)
    out[0] = quotient(newest, five / 5, 1.0)
    if count < 20:
        return
    twenty = five + sum_of(volumes, end - 20, end - 5)
    out[1] = quotient(newest, twenty / 20, 1.0)
    out[2] = quotient(five / 5, twenty / 20, 1.0)
    squares = sum_of_squares(volumes, end - 20, end)
    deviation = np.sqrt(squared_deviations(twenty, squares, 20) / 19)
    out[4] = quotient(newest - twenty / 20, deviation, 0.0)
    money_5 = sum_of_products(closes, volumes, end - 5, end, 0)
    money_20 = money_5 + sum_of_products(closes, volumes, end - 20, end - 5, 0)
    out[5] = quotient(closes[end - 1] * newest, money_20 / 20, 1.0)
    if count > 20:
        out[7] = rising_share(closes, volumes, end)
    if count >= 60:
        sixty = twenty + sum_of(volumes, end - 60, end - 20)
        money_60 = money_20 + sum_of_products(closes, volumes, end - 60, end - 20, 0)
        out[3] = quotient(twenty / 20, sixty / 60, 1.0)
        out[6] = quotient(money_5 / 5, money_60 / 60, 1.0)
