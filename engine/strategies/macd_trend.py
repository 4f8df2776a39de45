"""MACD trend: follow the MACD line when it crosses its signal line.

Entry: the histogram, MACD minus signal, is above 0 and was not one bar before; short (`shorts`)
below 0 and was not. MACD is the difference of two exponential averages of the closes, of `fast`
and `slow` bars; the signal line is the exponential average of MACD over `signal` bars. The close
must stand on the trade's side of its `trend_ma`-bar mean, unless that is 0.
Exit: the histogram below 0 (shorts: above), at the next open; a hard stop `hard_stop_atr_mult`
ATR(14) from the signal's close; or `max_hold_bars` bars held (0: never).
Technical score: how far the market has turned already, x / (1 + x) in [0, 1), where x is the
distance of the close beyond the slow average in ATR(14); 0.5 means one ATR, 0 none.
Warm-up: max(`slow` + `signal`, `trend_ma`) bars for entries, `slow` + `signal` - 1 for exits. An
average begins as a plain mean of its first bars. Scale-free.

Source: Appel (2005), "Technical Analysis: Power Tools for Active Investors".
"""

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.indicators import average_true_range, exponential, follows_trend, strength
from engine.parameter_rules import (
    HoldBars,
    StopMultiple,
    TrendBars,
    refuse_no_side,
    refuse_one_bar_trend,
    refuse_unless_less,
)
from models.history import History
from models.kernel import kernel

STATE_SIZE = 4
INDICATORS = ("macd", "signal", "histogram")


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bars and multiples of ATR(14). `fast` is below `slow`."""

    fast: Annotated[int, msgspec.Meta(ge=2, le=100, extra={"search": (6, 18)})] = 12
    slow: Annotated[int, msgspec.Meta(ge=3, le=200, extra={"search": (20, 50)})] = 26
    signal: Annotated[int, msgspec.Meta(ge=2, le=50, extra={"search": (5, 15)})] = 9
    trend_ma: TrendBars = 0
    hard_stop_atr_mult: StopMultiple = 2.5
    max_hold_bars: HoldBars = 0
    longs: bool = True
    shorts: bool = True

    def __post_init__(self) -> None:
        """Refuse a fast average that is no faster, a trend of one bar, and no side at all."""
        refuse_unless_less("fast", self.fast, "slow", self.slow)
        refuse_one_bar_trend(self.trend_ma)
        refuse_no_side(longs=self.longs, shorts=self.shorts)


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the decision at the current close: see `engine.strategy` for the layout of `out`."""
    fast, slow, signal = int(params[0]), int(params[1]), int(params[2])
    trend_ma, stop_atr_mult = int(params[3]), params[4]
    close = history.close[history.end - 1]
    # State: fast and slow average, signal line, histogram.
    state[0] = exponential(state[0], close, history.count, fast)
    state[1] = exponential(state[1], close, history.count, slow)
    lines = history.count - slow + 1
    if lines < 1:
        return
    macd = state[0] - state[1]
    state[2] = exponential(state[2], macd, lines, signal)
    histogram_before = state[3]
    state[3] = macd - state[2]
    if lines < signal:
        return
    for side, is_traded, exit_at in ((1.0, params[6], 3), (-1.0, params[7], 4)):
        if is_traded == 0.0:
            continue
        if side * state[3] < 0.0:
            out[exit_at] = 1.0
        has_crossed = side * state[3] > 0.0 and side * histogram_before <= 0.0
        if lines > signal and has_crossed and follows_trend(history, trend_ma, side):
            atr = average_true_range(history)
            out[0] = side
            out[1] = strength(side * (close - state[1]), atr)
            out[2] = close - side * stop_atr_mult * atr


@kernel
def indicators(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the values of INDICATORS as of the current close, NaN before their warm-up."""
    slow, signal = int(params[1]), int(params[2])
    if history.count >= slow:
        out[0] = state[0] - state[1]
    if history.count >= slow + signal - 1:
        out[1] = state[2]
        out[2] = state[3]
