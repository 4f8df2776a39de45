"""Relative strength index: the share of gains in all price changes, smoothed.

Input: close. Output: `rsi_n` in [0, 100]; 50 for a market that has not moved.
Average gain and loss are a plain mean over the first n changes, then Wilder's recursion, which
keeps (n - 1) / n of the past per bar.
Warm-up: n + 1 bars; convergence: n + 1 and until 1e-8 of the start is left. NaN: before warm-up
only. Source: Wilder (1978), "New Concepts in Technical Trading Systems".
"""

import numpy as np
from numpy.typing import NDArray

from models.feature import Feature, forgetting_bars
from models.feature_history import FeatureHistory
from models.kernel import kernel
from models.windows import quotient

BARS = (2, 5, 14)
FEATURES = tuple(
    Feature(f"rsi_{bars}", bars + 1, bars + 1 + forgetting_bars((bars - 1) / bars)) for bars in BARS
)
STATE_SIZE = 2 * len(BARS)


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Move the average gains and losses by one bar and write the indices."""
    if history.count < 2:
        out[:] = np.nan
        return
    change = history.close[history.end - 1] - history.previous_close
    gain, loss = max(change, 0.0), max(-change, 0.0)
    for k in range(len(BARS)):
        warm = history.count > BARS[k]
        rate = 1.0 / BARS[k] if warm else 1.0 / (history.count - 1)
        state[2 * k] += (gain - state[2 * k]) * rate
        state[2 * k + 1] += (loss - state[2 * k + 1]) * rate
        out[k] = np.nan
        if warm:
            out[k] = 100.0 * quotient(state[2 * k], state[2 * k] + state[2 * k + 1], 0.5)
