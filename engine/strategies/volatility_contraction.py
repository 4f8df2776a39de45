"""Volatility contraction (NR7): follow the close that leaves the narrowest bar of many.

Entry: the bar before had a smaller range, high - low, than each of the `bars` - 1 before it, and
the close leaves it: above its high for a long, below its low for a short (`shorts`). The close
must stand on the trade's side of its `trend_ma`-bar mean, unless that is 0.
Exit: a close below the `exit_ma`-bar mean (shorts: above), at the next open; a hard stop
`hard_stop_atr_mult` ATR(14) from the signal's close; or `max_hold_bars` bars held (0: never).
Technical score: how tight the bar was, 1 - its range over the mean range of the `bars`, in [0, 1].
Warm-up: max(`bars` + 1, `trend_ma`) bars for entries, `exit_ma` for exits. Scale-free.

Source: Crabel (1990), "Day Trading with Short Term Price Patterns and Opening Range Breakout"
(NR4 and NR7).
"""

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.indicators import average_true_range, follows_trend, mean_of_last
from engine.parameter_rules import (
    HoldBars,
    StopMultiple,
    TrendBars,
    refuse_no_side,
    refuse_one_bar_trend,
)
from models.history import History
from models.kernel import kernel

STATE_SIZE = 0
INDICATORS = ("range_ratio", "exit_ma")


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bars and multiples of ATR(14)."""

    bars: Annotated[int, msgspec.Meta(ge=2, le=50, extra={"search": (4, 12)})] = 7
    exit_ma: Annotated[int, msgspec.Meta(ge=2, le=250, extra={"search": (5, 50)})] = 10
    trend_ma: TrendBars = 50
    hard_stop_atr_mult: StopMultiple = 2.0
    max_hold_bars: HoldBars = 10
    longs: bool = True
    shorts: bool = True

    def __post_init__(self) -> None:
        """Refuse a trend of one bar, and to trade neither side."""
        refuse_one_bar_trend(self.trend_ma)
        refuse_no_side(longs=self.longs, shorts=self.shorts)


@kernel
def range_ratio(history: History, end: int, bars: int) -> float:
    """Return the range of bar `end` - 1 over the mean range of `bars`; 1 where none has any."""
    total = 0.0
    for i in range(end - bars, end):
        total += history.high[i] - history.low[i]
    newest = history.high[end - 1] - history.low[end - 1]
    return float(newest / (total / bars)) if total > 0.0 else 1.0


@kernel
def is_narrowest(history: History, end: int, bars: int) -> bool:
    """Return whether bar `end` - 1 has a smaller range than each of the `bars` - 1 before it."""
    newest = history.high[end - 1] - history.low[end - 1]
    narrowest = np.inf
    for i in range(end - bars, end - 1):
        narrowest = min(narrowest, history.high[i] - history.low[i])
    return bool(newest < narrowest)


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the decision at the current close: see `engine.strategy` for the layout of `out`."""
    bars, exit_ma, trend_ma = int(params[0]), int(params[1]), int(params[2])
    stop_atr_mult = params[3]
    before = history.end - 1
    close = history.close[before]
    exit_mean = np.nan
    if history.count >= exit_ma:
        exit_mean = mean_of_last(history.close, history.end, exit_ma)
    for side, is_traded, exit_at in ((1.0, params[5], 3), (-1.0, params[6], 4)):
        if is_traded == 0.0:
            continue
        if side * (close - exit_mean) < 0.0:
            out[exit_at] = 1.0
        if history.count <= bars or not is_narrowest(history, before, bars):
            continue
        edge = history.high[before - 1] if side > 0.0 else history.low[before - 1]
        if side * (close - edge) > 0.0 and follows_trend(history, trend_ma, side):
            out[0] = side
            out[1] = max(0.0, 1.0 - range_ratio(history, before, bars))
            out[2] = close - side * stop_atr_mult * average_true_range(history)


@kernel
def indicators(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the values of INDICATORS as of the current close, NaN before their warm-up."""
    bars, exit_ma = int(params[0]), int(params[1])
    if history.count >= bars:
        out[0] = range_ratio(history, history.end, bars)
    if history.count >= exit_ma:
        out[1] = mean_of_last(history.close, history.end, exit_ma)
