"""Stochastic reversion: buy a close low in the range of the last bars, in a rising market.

Entry: %D below `entry` for a long, above 100 - `entry` for a short (`shorts`), while the close
stands on the trade's side of its `trend_ma`-bar mean; with `trend_ma` 0 the trend is not asked.
%K is where the close stands between the lowest low and the highest high of the last `period`
bars, 0..100; %D is its mean over `smooth` bars.
Exit: %D above `exit` (shorts: below 100 - `exit`), at the next open; a hard stop
`hard_stop_atr_mult` ATR(14) from the signal's close; or `max_hold_bars` bars held (0: never).
Technical score: depth of the dip, 1 - %D / `entry` in (0, 1]; 1 at %D 0 (shorts: 100).
Warm-up: `period` + `smooth` - 1 bars for entries and exits, `trend_ma` for entries. Bars without
a range have %K 50. Scale-free.

Source: Lane (1984), "Lane's Stochastics", Technical Analysis of Stocks and Commodities 2.
"""

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.indicators import average_true_range, follows_trend, highest_of_last, lowest_of_last
from engine.parameter_rules import (
    HoldBars,
    StopMultiple,
    TrendBars,
    refuse_no_side,
    refuse_one_bar_trend,
)
from models.history import History
from models.kernel import kernel

STATE_SIZE = 1
INDICATORS = ("stochastic_k", "stochastic_d")


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bars, points of %D (0..100) and multiples of ATR(14)."""

    period: Annotated[int, msgspec.Meta(ge=2, le=240, extra={"search": (5, 30)})] = 14
    smooth: Annotated[int, msgspec.Meta(ge=1, le=10, extra={"search": (1, 5)})] = 3
    entry: Annotated[float, msgspec.Meta(gt=0.0, lt=50.0, extra={"search": (5.0, 30.0)})] = 20.0
    exit: Annotated[float, msgspec.Meta(ge=50.0, lt=100.0, extra={"search": (50.0, 80.0)})] = 60.0
    trend_ma: TrendBars = 200
    hard_stop_atr_mult: StopMultiple = 3.0
    max_hold_bars: HoldBars = 10
    longs: bool = True
    shorts: bool = False

    def __post_init__(self) -> None:
        """Refuse a trend of one bar, and to trade neither side."""
        refuse_one_bar_trend(self.trend_ma)
        refuse_no_side(longs=self.longs, shorts=self.shorts)


@kernel
def stochastic(history: History, end: int, period: int) -> float:
    """Return %K of bar `end` - 1, in [0, 100]; 50 where the bars have no range."""
    highest = highest_of_last(history.high, end, period)
    lowest = lowest_of_last(history.low, end, period)
    if highest <= lowest:
        return 50.0
    return float(100.0 * (history.close[end - 1] - lowest) / (highest - lowest))


@kernel
def smoothed_stochastic(history: History, period: int, smooth: int) -> float:
    """Return %D, the mean of the last `smooth` %K; NaN before `period` + `smooth` - 1 bars."""
    if history.count < period + smooth - 1:
        return np.nan
    total = 0.0
    for end in range(history.end - smooth + 1, history.end + 1):
        total += stochastic(history, end, period)
    return total / smooth


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the decision at the current close: see `engine.strategy` for the layout of `out`."""
    period, smooth, entry, exit_ = int(params[0]), int(params[1]), params[2], params[3]
    trend_ma, stop_atr_mult = int(params[4]), params[5]
    value = smoothed_stochastic(history, period, smooth)
    state[0] = value
    close = history.close[history.end - 1]
    for side, is_traded, exit_at in ((1.0, params[7], 3), (-1.0, params[8], 4)):
        if is_traded == 0.0:
            continue
        along = value if side > 0.0 else 100.0 - value
        if along > exit_:
            out[exit_at] = 1.0
        if along < entry and follows_trend(history, trend_ma, side):
            out[0] = side
            out[1] = 1.0 - max(0.0, along) / entry
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
    if history.count >= period:
        out[0] = stochastic(history, history.end, period)
    out[1] = state[0]
