"""Body and shadows of the bar.

Input: open, high, low, close. Output: `body_to_range` in [-1, 1], `upper_shadow_to_range` and
`lower_shadow_to_range` in [0, 1], shares of high - low, 0 for a bar without range;
`open_to_close`, the return within the bar.
Warm-up: none. NaN: never. Source: Nison (1991), "Japanese Candlestick Charting Techniques".
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.feature_history import FeatureHistory
from models.kernel import kernel
from models.windows import quotient

FEATURES = (
    window("body_to_range", 1),
    window("upper_shadow_to_range", 1),
    window("lower_shadow_to_range", 1),
    window("open_to_close", 1),
)
STATE_SIZE = 0


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write body and shadows of the current bar."""
    newest = history.end - 1
    open_, close = history.open[newest], history.close[newest]
    high, low = history.high[newest], history.low[newest]
    out[0] = quotient(close - open_, high - low, 0.0)
    out[1] = quotient(high - max(open_, close), high - low, 0.0)
    out[2] = quotient(min(open_, close) - low, high - low, 0.0)
    out[3] = close / open_ - 1.0
