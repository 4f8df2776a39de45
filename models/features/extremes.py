"""Where the close stands between the highest high and the lowest low of the last bars.

Input: high, low, close. Output: `range_position_n` in [0, 1], 0 on the low and 1 on the high,
0.5 when they are equal; `drawdown_n` in (-1, 0], close over highest high less 1;
`bars_since_high_60` and `bars_since_low_60` in bars, 0 for the current one, the newest of equals.
Warm-up: n bars. NaN: before warm-up only. Running extremes are exact: window features.
Source: Williams (1979), "How I Made One Million Dollars" (%R); the rest by definition.
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import window
from models.history import History
from models.kernel import kernel
from models.windows import quotient, running_highest, running_lowest

BARS = (5, 20, 60, 252)
DRAWDOWNS = (20, 60, 252)
FEATURES = (
    *(window(f"range_position_{bars}", bars) for bars in BARS),
    *(window(f"drawdown_{bars}", bars) for bars in DRAWDOWNS),
    window("bars_since_high_60", 60),
    window("bars_since_low_60", 60),
)
STATE_SIZE = 4 * len(BARS)


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Move the extremes by one bar and write where the close stands."""
    out[:] = np.nan
    end, count = history.end, history.count
    close = history.close[end - 1]
    for k in range(len(BARS)):
        top, bottom = state[4 * k : 4 * k + 2], state[4 * k + 2 : 4 * k + 4]
        running_highest(top, history.high, end, count, BARS[k])
        running_lowest(bottom, history.low, end, count, BARS[k])
        if count >= BARS[k]:
            out[k] = quotient(close - bottom[0], top[0] - bottom[0], 0.5)
            if k > 0:
                out[3 + k] = close / top[0] - 1.0
            if k == 2:
                out[7] = count - top[1]
                out[8] = count - bottom[1]
