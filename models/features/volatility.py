"""Volatility of log returns, per bar: how much the price moves.

Input: log return, log range. Output: `volatility_n` >= 0, the sample standard deviation of the
last n log returns, per bar, not annualised; `volatility_a_to_b` >= 0, the ratio of two, 1 when
the longer is 0; `parkinson_20` >= 0, per bar, from ln(high / low); `downside_share_20` in [0, 1],
the falls' share of the squared returns, 0.5 when there are none.
Warm-up: n + 1 bars (parkinson_20: 20). NaN: before warm-up only.
Source: Parkinson (1980), "The Extreme Value Method for Estimating the Variance of the Rate of
Return"; the rest by definition.
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.history import History
from models.kernel import kernel
from models.windows import quotient, squared_deviations, sum_of, sum_of_squares

BARS = (5, 10, 20, 60)
RANGE_BARS = 20
FEATURES = (
    *(window(f"volatility_{bars}", bars + 1) for bars in BARS),
    window("volatility_5_to_20", 21),
    window("volatility_20_to_60", 61),
    window("parkinson_20", RANGE_BARS),
    window("downside_share_20", RANGE_BARS + 1),
)
STATE_SIZE = 0


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the volatilities as of the current bar."""
    out[:] = np.nan
    end, returns = history.end, history.log_return
    total, squares, done = 0.0, 0.0, 0
    for k in range(len(BARS)):
        bars = BARS[k]
        if history.count > bars:
            total += sum_of(returns, end - bars, end - done)
            squares += sum_of_squares(returns, end - bars, end - done)
            done = bars
            out[k] = np.sqrt(squared_deviations(total, squares, bars) / (bars - 1))
    if history.count > BARS[2]:
        out[4] = quotient(out[0], out[2], 1.0)
    if history.count > BARS[3]:
        out[5] = quotient(out[2], out[3], 1.0)
    if history.count >= RANGE_BARS:
        ranges = sum_of_squares(history.log_range, end - RANGE_BARS, end)
        out[6] = np.sqrt(ranges / (4.0 * RANGE_BARS * np.log(2.0)))
    if history.count > RANGE_BARS:
        falls, both = 0.0, 0.0
        for i in range(end - RANGE_BARS, end):
            square = returns[i] * returns[i]
            both += square
            falls += square if returns[i] < 0.0 else 0.0
        out[7] = quotient(falls, both, 0.5)
