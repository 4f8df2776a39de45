"""Range of the bar, against the price and against its own mean.

Input: high, low, close. Output: `true_range_pct` and `high_low_pct` >= 0, fractions of the close;
`true_range_to_mean_20` >= 0, against the mean of the last 20 bars, 1 when no bar moved.
Warm-up: 2, 1 and 21 bars. NaN: before warm-up only.
Source: Wilder (1978), "New Concepts in Technical Trading Systems".
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.feature_history import TRUE_RANGE, FeatureHistory
from models.kernel import kernel
from models.windows import quotient

BARS = 20
FEATURES = (
    window("true_range_pct", 2),
    window("high_low_pct", 1),
    window("true_range_to_mean_20", BARS + 1),
)
STATE_SIZE = 0


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the ranges of the current bar."""
    out[:] = np.nan
    newest = history.end - 1
    close = history.close[newest]
    out[1] = (history.high[newest] - history.low[newest]) / close
    if history.count > 1:
        out[0] = history.true_range / close
    if history.count > BARS:
        out[2] = quotient(history.true_range, history.sum_20[TRUE_RANGE] / BARS, 1.0)
