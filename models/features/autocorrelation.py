"""Autocorrelation of log returns at lag 1: above 0 moves go on, below 0 they turn back.

Input: log return. Output: `autocorrelation_n` in about [-1, 1], the sample autocorrelation of
the last n returns around their mean; 0 when they do not vary.
Warm-up: n + 1 bars. NaN: before warm-up only.
Source: Box and Jenkins (1970), "Time Series Analysis".
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.history import History
from models.kernel import kernel
from models.windows import quotient, squared_deviations, sum_of, sum_of_products, sum_of_squares

BARS = (20, 60)
FEATURES = tuple(window(f"autocorrelation_{bars}", bars + 1) for bars in BARS)
STATE_SIZE = 0


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the autocorrelations as of the current close."""
    end, returns = history.end, history.log_return
    for k in range(len(BARS)):
        out[k] = np.nan
        bars = BARS[k]
        if history.count > bars:
            total = sum_of(returns, end - bars, end)
            squares = sum_of_squares(returns, end - bars, end)
            lagged = sum_of_products(returns, returns, end - bars + 1, end, 1)
            # The sum of (r[i] - mean) * (r[i - 1] - mean), multiplied out.
            mean = total / bars
            edges = returns[end - bars] + returns[end - 1]
            lagged += mean * (edges - 2.0 * total + (bars - 1) * mean)
            out[k] = quotient(lagged, squared_deviations(total, squares, bars), 0.0)
