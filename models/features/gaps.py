"""Gaps: how far the open lies from the previous close.

Input: open, close. Output: `gap`, open over previous close less 1; `gap_mean_10` >= 0, the mean
of the last ten gaps' sizes; `gap_share_10` in [0, 1], the share of the last ten bars' true range
that their gaps make up, 0 when nothing moved.
Warm-up: 2 and 11 bars. NaN: before warm-up only. Source: by definition.
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.history import History
from models.kernel import kernel
from models.windows import quotient, sum_of

BARS = 10
FEATURES = (window("gap", 2), window("gap_mean_10", BARS + 1), window("gap_share_10", BARS + 1))
STATE_SIZE = 0


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the gaps as of the current bar."""
    out[:] = np.nan
    end = history.end
    if history.count > 1:
        out[0] = history.open[end - 1] / history.close[end - 2] - 1.0
    if history.count > BARS:
        relative, absolute = 0.0, 0.0
        for i in range(end - BARS, end):
            size = abs(history.open[i] - history.close[i - 1])
            absolute += size
            relative += size / history.close[i - 1]
        out[1] = relative / BARS
        out[2] = min(quotient(absolute, sum_of(history.true_range, end - BARS, end), 0.0), 1.0)
