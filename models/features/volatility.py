"""Volatility of log returns, per bar: how much the price moves.

Input: log return, log range. Output: `volatility_n` >= 0, the sample standard deviation of the
last n log returns, per bar, not annualised; `volatility_a_to_b` >= 0, the ratio of two, 1 when
the longer is 0; `parkinson_20` >= 0, per bar, from ln(high / low); `downside_share_20` in [0, 1],
the falls' share of the squared returns, 0.5 when there are none.
Warm-up: n + 1 bars (parkinson_20: 20). NaN: before warm-up only.
Source: Parkinson (1980), "The Extreme Value Method for Estimating the Variance of the Rate of
Return"; the rest by definition.
"""

import math

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.feature_history import (
    LOG_RETURN,
    SQUARED_FALL,
    SQUARED_LOG_RANGE,
    SQUARED_RETURN,
    FeatureHistory,
)
from models.kernel import kernel
from models.windows import quotient, squared_deviations

FEATURES = (
    window("volatility_5", 6),
    window("volatility_10", 11),
    window("volatility_20", 21),
    window("volatility_60", 61),
    window("volatility_5_to_20", 21),
    window("volatility_20_to_60", 61),
    window("parkinson_20", 20),
    window("downside_share_20", 21),
)
STATE_SIZE = 0

_FOUR_LN_2 = 4.0 * math.log(2.0)


@kernel
def deviation(sums: NDArray[np.float64], bars: int) -> float:
    """Return the sample standard deviation of log returns from their sums over `bars`."""
    squares = squared_deviations(sums[LOG_RETURN], sums[SQUARED_RETURN], bars)
    root: float = np.sqrt(squares / (bars - 1))
    return root


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the volatilities as of the current bar."""
    out[:] = np.nan
    count = history.count
    if count > 5:
        out[0] = deviation(history.sum_5, 5)
    if count > 10:
        out[1] = deviation(history.sum_10, 10)
    if count >= 20:
        out[6] = np.sqrt(history.sum_20[SQUARED_LOG_RANGE] / 20 / _FOUR_LN_2)
    if count > 20:
        out[2] = deviation(history.sum_20, 20)
        out[4] = quotient(out[0], out[2], 1.0)
        out[7] = quotient(history.sum_20[SQUARED_FALL], history.sum_20[SQUARED_RETURN], 0.5)
    if count > 60:
        out[3] = deviation(history.sum_60, 60)
        out[5] = quotient(out[2], out[3], 1.0)
