"""ADX trend: follow the stronger directional movement while the market trends at all.

Entry: ADX(`period`) above `threshold`, and +DI above -DI for a long, below it for a short
(`shorts`).
Exit: +DI below -DI (shorts: above), at the next open; a hard stop `hard_stop_atr_mult` ATR(14)
from the signal's close; or `max_hold_bars` bars held (0: never).
Technical score: ADX / 100 in [0, 1]: how much of the movement goes one way.
Warm-up: 2 `period` bars for entries, `period` + 1 for exits. A market that has not moved has DI 0
and ADX 0. Scale-free.

Source: Wilder (1978), "New Concepts in Technical Trading Systems" (directional movement).
"""

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.indicators import average_true_range, smoothed, true_range
from engine.parameter_rules import HoldBars, StopMultiple, refuse_no_side
from models.history import History
from models.kernel import kernel

STATE_SIZE = 4
INDICATORS = ("adx", "plus_di", "minus_di")


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bars, points of ADX (0..100) and multiples of ATR(14)."""

    period: Annotated[int, msgspec.Meta(ge=2, le=100, extra={"search": (7, 28)})] = 14
    threshold: Annotated[float, msgspec.Meta(ge=0.0, le=60.0, extra={"search": (15.0, 35.0)})] = (
        25.0
    )
    hard_stop_atr_mult: StopMultiple = 3.0
    max_hold_bars: HoldBars = 0
    longs: bool = True
    shorts: bool = True

    def __post_init__(self) -> None:
        """Refuse to trade neither side."""
        refuse_no_side(longs=self.longs, shorts=self.shorts)


@kernel
def move(state: NDArray[np.float64], history: History, period: int) -> None:
    """Take the current bar into `state`: Wilder's averages of true range, +DM, -DM and DX."""
    last = history.end - 1
    changes = history.count - 1
    up = history.high[last] - history.high[last - 1]
    down = history.low[last - 1] - history.low[last]
    plus = up if up > down and up > 0.0 else 0.0
    minus = down if down > up and down > 0.0 else 0.0
    full = true_range(history.high[last], history.low[last], history.close[last - 1])
    weight = 1.0 / period
    state[0] = smoothed(state[0], full, changes, period, weight)
    state[1] = smoothed(state[1], plus, changes, period, weight)
    state[2] = smoothed(state[2], minus, changes, period, weight)
    if changes >= period:
        total = state[1] + state[2]
        index = 100.0 * abs(state[1] - state[2]) / total if total > 0.0 else 0.0
        state[3] = smoothed(state[3], index, changes - period + 1, period, weight)


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the decision at the current close: see `engine.strategy` for the layout of `out`."""
    period, threshold, stop_atr_mult = int(params[0]), params[1], params[2]
    if history.count < 2:
        return
    move(state, history, period)
    if history.count <= period:
        return
    direction = state[1] - state[2]
    for side, is_traded, exit_at in ((1.0, params[4], 3), (-1.0, params[5], 4)):
        if is_traded == 0.0:
            continue
        if side * direction < 0.0:
            out[exit_at] = 1.0
        if history.count >= 2 * period and state[3] > threshold and side * direction > 0.0:
            close = history.close[history.end - 1]
            out[0] = side
            out[1] = min(1.0, state[3] / 100.0)
            out[2] = close - side * stop_atr_mult * average_true_range(history)


@kernel
def indicators(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the values of INDICATORS as of the current close, NaN before their warm-up."""
    period = int(params[0])
    if history.count > period:
        is_moving = state[0] > 0.0
        out[1] = 100.0 * state[1] / state[0] if is_moving else 0.0
        out[2] = 100.0 * state[2] / state[0] if is_moving else 0.0
    if history.count >= 2 * period:
        out[0] = state[3]
