"""Internal bar strength: where the close sits in the bar's range.

Input: high, low, close. Output: float in [0, 1], dimensionless; 0.5 when high == low.
Warm-up: none. NaN: never. Source: Pagonidis (2014), "The IBS Effect".

>>> ibs(3.0, 1.0, 2.5)
0.75
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.feature_history import FeatureHistory
from models.kernel import kernel
from models.windows import quotient

FEATURES = (window("ibs", 1),)
STATE_SIZE = 0


@kernel
def ibs(high: float, low: float, close: float) -> float:
    """Return (close - low) / (high - low), 0.5 for a bar without range."""
    return quotient(close - low, high - low, 0.5)


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the strength of the current bar."""
    newest = history.end - 1
    out[0] = ibs(history.high[newest], history.low[newest], history.close[newest])
