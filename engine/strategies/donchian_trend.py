"""Donchian trend: follow a close beyond the channel of the last bars until a shorter one breaks.

Entry: long at a close above the highest high of the `entry_bars` bars before it, short (`shorts`)
below their lowest low.
Exit: a close below the lowest low of the `exit_bars` bars before it (shorts: above their highest
high), at the next open; a hard stop `hard_stop_atr_mult` ATR(14) from the signal's close; or
`max_hold_bars` bars held (0: never).
Technical score: how straight the way was, Kaufman's efficiency ratio of the last `entry_bars`
closes in [0, 1]: the net change over the sum of all changes; 1 is a straight line.
Warm-up: `entry_bars` + 1 bars for entries, `exit_bars` + 1 for exits. Scale-free.

Source: Donchian's channel as in Faith (2007), "Way of the Turtle"; efficiency ratio: Kaufman
(1995), "Smarter Trading".
"""

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.indicators import average_true_range, highest_of_last, lowest_of_last
from engine.parameter_rules import HoldBars, StopMultiple, refuse_no_side, refuse_unless_less
from models.history import History
from models.kernel import kernel

STATE_SIZE = 0
INDICATORS = ("entry_high", "entry_low", "exit_high", "exit_low", "efficiency_ratio")


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bars and multiples of ATR(14). `exit_bars` is below `entry_bars`."""

    entry_bars: Annotated[int, msgspec.Meta(ge=2, le=250, extra={"search": (20, 100)})] = 55
    exit_bars: Annotated[int, msgspec.Meta(ge=1, le=249, extra={"search": (5, 19)})] = 20
    hard_stop_atr_mult: StopMultiple = 2.0
    max_hold_bars: HoldBars = 0
    longs: bool = True
    shorts: bool = True

    def __post_init__(self) -> None:
        """Refuse an exit no sooner than the entry, and to trade neither side."""
        refuse_unless_less("exit_bars", self.exit_bars, "entry_bars", self.entry_bars)
        refuse_no_side(longs=self.longs, shorts=self.shorts)


@kernel
def efficiency_ratio(closes: NDArray[np.float64], end: int, bars: int) -> float:
    """Return net change over summed changes of the last `bars` changes, in [0, 1]; 0 for none."""
    way = 0.0
    for i in range(end - bars, end):
        way += abs(closes[i] - closes[i - 1])
    net = abs(closes[end - 1] - closes[end - 1 - bars])
    return min(1.0, net / way) if way > 0.0 else 0.0


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the decision at the current close: see `engine.strategy` for the layout of `out`."""
    entry_bars, exit_bars, stop_atr_mult = int(params[0]), int(params[1]), params[2]
    before = history.end - 1
    close = history.close[before]
    if history.count <= exit_bars:
        return
    if params[4] > 0.0 and close < lowest_of_last(history.low, before, exit_bars):
        out[3] = 1.0
    if params[5] > 0.0 and close > highest_of_last(history.high, before, exit_bars):
        out[4] = 1.0
    if history.count <= entry_bars:
        return
    side = 0.0
    if params[4] > 0.0 and close > highest_of_last(history.high, before, entry_bars):
        side = 1.0
    elif params[5] > 0.0 and close < lowest_of_last(history.low, before, entry_bars):
        side = -1.0
    if side != 0.0:
        out[0] = side
        out[1] = efficiency_ratio(history.close, history.end, entry_bars)
        out[2] = close - side * stop_atr_mult * average_true_range(history)


@kernel
def indicators(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the values of INDICATORS as of the current close, NaN before their warm-up."""
    entry_bars, exit_bars = int(params[0]), int(params[1])
    before = history.end - 1
    if history.count > exit_bars:
        out[2] = highest_of_last(history.high, before, exit_bars)
        out[3] = lowest_of_last(history.low, before, exit_bars)
    if history.count > entry_bars:
        out[0] = highest_of_last(history.high, before, entry_bars)
        out[1] = lowest_of_last(history.low, before, entry_bars)
        out[4] = efficiency_ratio(history.close, history.end, entry_bars)
