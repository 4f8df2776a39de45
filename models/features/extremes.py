"""Where the close stands between the highest high and the lowest low of the last bars.

Input: high, low, close. Output: `range_position_n` in [0, 1], 0 on the low and 1 on the high,
0.5 when they are equal; `drawdown_n` in (-1, 0], close over highest high less 1;
`bars_since_high_60` and `bars_since_low_60` in bars, 0 for the current one, the newest of equals.
Warm-up: n bars. NaN: before warm-up only.
Source: Williams (1979), "How I Made One Million Dollars" (%R); Chande (1995), the Aroon
indicator, for the bars since.
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.feature_history import FeatureHistory
from models.kernel import kernel
from models.windows import quotient

BARS = (5, 20, 60, 252)
RECENT_BARS = 60
FEATURES = (
    *(window(f"range_position_{bars}", bars) for bars in BARS),
    *(window(f"drawdown_{bars}", bars) for bars in BARS[1:]),
    window("bars_since_high_60", RECENT_BARS),
    window("bars_since_low_60", RECENT_BARS),
)
STATE_SIZE = 2


@kernel
def bars_since(values: NDArray[np.float64], extreme: float, end: int, before: float) -> float:
    """Return how many bars ago `extreme` last occurred, `before` being that of a bar ago."""
    if values[end - 1] == extreme:
        return 0.0
    if before < RECENT_BARS - 1 and values[end - 2 - int(before)] == extreme:
        return before + 1.0
    back = 1
    while back < RECENT_BARS - 1 and values[end - 1 - back] != extreme:
        back += 1
    return float(back)


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write where the close stands."""
    count, end = history.count, history.end
    close = history.close[end - 1]
    top, bottom = history.highest, history.lowest
    highs = (top.last_5, top.last_20, top.last_60, top.last_252)
    lows = (bottom.last_5, bottom.last_20, bottom.last_60, bottom.last_252)
    out[:] = np.nan
    for k in range(len(BARS)):
        if count >= BARS[k]:
            out[k] = quotient(close - lows[k], highs[k] - lows[k], 0.5)
            if k > 0:
                out[3 + k] = close / highs[k] - 1.0
    state[0] = bars_since(history.high, top.last_60, end, state[0])
    state[1] = bars_since(history.low, bottom.last_60, end, state[1])
    if count >= RECENT_BARS:
        out[7] = state[0]
        out[8] = state[1]
