"""Gaps: how far the open lies from the previous close.

Input: open, close. Output: `gap`, open over previous close less 1; `gap_mean_10` >= 0, the mean
of the last ten gaps' sizes; `gap_share_10` in [0, 1], the share of the last ten bars' true range
that their gaps make up, 0 when nothing moved.
Warm-up: 2 and 11 bars. NaN: before warm-up only. Source: by definition.
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.feature_history import GAP_PATH, GAP_SIZE, TRUE_RANGE, FeatureHistory
from models.kernel import kernel
from models.windows import quotient

BARS = 10
FEATURES = (window("gap", 2), window("gap_mean_10", BARS + 1), window("gap_share_10", BARS + 1))
STATE_SIZE = 0


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the gaps as of the current bar."""
    out[:] = np.nan
    if history.count > 1:
        out[0] = history.open[history.end - 1] / history.previous_close - 1.0
    if history.count > BARS:
        out[1] = history.sum_10[GAP_SIZE] / BARS
        share = quotient(history.sum_10[GAP_PATH], history.sum_10[TRUE_RANGE], 0.0)
        out[2] = min(share, 1.0)
