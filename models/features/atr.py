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
from models.feature_history import TRUE_RANGE, FeatureHistory
from models.kernel import kernel
from models.windows import quotient

FEATURES = (window("atr_pct_14", 15), window("atr_5_to_20", 21), window("atr_14_to_60", 61))
STATE_SIZE = 0


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the average true ranges as of the current bar."""
    out[:] = np.nan
    end = history.end
    if history.count > 14:
        total = history.sum_10[TRUE_RANGE]
        # The four bars before those ten.
        for i in range(end - 14, end - 10):
            previous = history.close[i - 1]
            total += max(history.high[i], previous) - min(history.low[i], previous)
        mean_14 = total / 14
        out[0] = mean_14 / history.close[end - 1]
    if history.count > 20:
        mean_5, mean_20 = history.sum_5[TRUE_RANGE] / 5, history.sum_20[TRUE_RANGE] / 20
        out[1] = quotient(mean_5, mean_20, 1.0)
    if history.count > 60:
        out[2] = quotient(mean_14, history.sum_60[TRUE_RANGE] / 60, 1.0)
