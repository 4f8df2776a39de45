"""Price returns: close over the close some bars ago, less 1.

Input: close. Output: `return_n`, dimensionless, > -1; 0 for an unchanged price.
Warm-up: n + 1 bars. NaN: before warm-up only. Source: simple return, by definition.
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.feature_history import FeatureHistory
from models.kernel import kernel

BARS = (1, 2, 3, 5, 10, 20, 60)
FEATURES = tuple(window(f"return_{bars}", bars + 1) for bars in BARS)
STATE_SIZE = 0


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the returns as of the current close."""
    newest = history.end - 1
    for k in range(len(BARS)):
        out[k] = np.nan
        if history.count > BARS[k]:
            out[k] = history.close[newest] / history.close[newest - BARS[k]] - 1.0
