"""Average true range: its share of the price, and how it compares with its longer means.

Input: true range, close. Output: `atr_pct_14` >= 0, a fraction of the close; `atr_a_to_b` >= 0,
the ratio of the a-bar to the b-bar mean, 1 when no bar moved. Plain means, not Wilder's
recursion, as in the engine's stops: they depend on the last bars alone.
Warm-up: the longest mean and one bar for its previous close. NaN: before warm-up only.
Source: Wilder (1978), "New Concepts in Technical Trading Systems".
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.history import History
from models.kernel import kernel
from models.windows import quotient, sum_of

FEATURES = (window("atr_pct_14", 15), window("atr_5_to_20", 21), window("atr_14_to_60", 61))
STATE_SIZE = 0


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the average true ranges as of the current bar."""
    out[:] = np.nan
    end, ranges = history.end, history.true_range
    if history.count > 14:
        mean_14 = sum_of(ranges, end - 14, end) / 14
        out[0] = mean_14 / history.close[end - 1]
    if history.count > 20:
        five = sum_of(ranges, end - 5, end)
        out[1] = quotient(five / 5, (five + sum_of(ranges, end - 20, end - 5)) / 20, 1.0)
    if history.count > 60:
        out[2] = quotient(mean_14, sum_of(ranges, end - 60, end) / 60, 1.0)
