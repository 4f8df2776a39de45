"""Keltner breakout: follow a close outside a channel of average true ranges.

Entry: long at a close above the upper band, short (`shorts`) below the lower; the bands stand
`width` ATR(14) about the exponential average of the last `period` closes.
Exit: a close below that average (shorts: above), at the next open; a hard stop
`hard_stop_atr_mult` ATR(14) from the signal's close; or `max_hold_bars` bars held (0: never).
Technical score: how far outside the close is, x / (1 + x) in [0, 1), where x is its distance from
the band in ATR(14); 0.5 means one ATR beyond.
Warm-up: `period` bars for entries and exits; the average begins as a plain mean of its first
bars. Scale-free.

Source: Keltner (1960), "How to Make Money in Commodities", with an exponential average and true
ranges as in Raschke and Connors (1995), "Street Smarts".
"""

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.indicators import average_true_range, exponential, strength
from engine.parameter_rules import HoldBars, StopMultiple, refuse_no_side
from models.history import History
from models.kernel import kernel

STATE_SIZE = 1
INDICATORS = ("middle_band", "upper_band", "lower_band")


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bars and multiples of ATR(14)."""

    period: Annotated[int, msgspec.Meta(ge=2, le=250, extra={"search": (10, 60)})] = 20
    width: Annotated[float, msgspec.Meta(ge=0.25, le=6.0, extra={"search": (1.0, 3.0)})] = 2.0
    hard_stop_atr_mult: StopMultiple = 2.0
    max_hold_bars: HoldBars = 0
    longs: bool = True
    shorts: bool = True

    def __post_init__(self) -> None:
        """Refuse to trade neither side."""
        refuse_no_side(longs=self.longs, shorts=self.shorts)


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the decision at the current close: see `engine.strategy` for the layout of `out`."""
    period, width, stop_atr_mult = int(params[0]), params[1], params[2]
    close = history.close[history.end - 1]
    state[0] = exponential(state[0], close, history.count, period)
    if history.count < period:
        return
    for side, is_traded, exit_at in ((1.0, params[4], 3), (-1.0, params[5], 4)):
        if is_traded == 0.0:
            continue
        distance = side * (close - state[0])
        if distance < 0.0:
            out[exit_at] = 1.0
        atr = average_true_range(history)
        outside = distance - width * atr
        if outside > 0.0:
            out[0] = side
            out[1] = strength(outside, atr)
            out[2] = close - side * stop_atr_mult * atr


@kernel
def indicators(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the values of INDICATORS as of the current close, NaN before their warm-up."""
    if history.count < int(params[0]):
        return
    reach = params[1] * average_true_range(history)
    out[0] = state[0]
    out[1] = state[0] + reach
    out[2] = state[0] - reach
