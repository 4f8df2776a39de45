"""Breadth: how many of all symbols take part, as of the last instant before the bar.

Input: `breadth_above_sma_50`, `breadth_advancing` of the context. Output: of the same names, shares
in [0, 1]: symbols that closed above their 50-bar mean, and symbols that closed above their bar
before.
Warm-up: 51 bars, 3 bars, of the symbol's own: so many instants are behind it then. NaN: before
warm-up, and where the context has none (it is not configured, or too few symbols are known).
Source: by definition; the share of stocks above their 50-day average and the advance ratio of
market technicians.
"""

import numpy as np
from numpy.typing import NDArray

from models.context import BREADTH
from models.feature import window
from models.feature_history import FeatureHistory
from models.kernel import kernel

WARM_UPS = (51, 3)
FEATURES = (
    window("breadth_above_sma_50", WARM_UPS[0]),
    window("breadth_advancing", WARM_UPS[1]),
)
STATE_SIZE = 0


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the shares as of the last instant before the bar."""
    for k in range(len(WARM_UPS)):
        out[k] = context[BREADTH + k] if history.count >= WARM_UPS[k] else np.nan
