"""Gap fade: trade against an opening gap that has begun to close.

Entry: long where the bar opened below the low of the bar before by `min_gap_atr` ATR(14) or more,
and closed above that open yet below the close before, so that part of the gap is left; short
(`shorts`) the other way round. The close must stand on the trade's side of its `trend_ma`-bar
mean, unless that is 0.
Exit: a close that fills the last such gap, at or beyond the close before it, at the next open; a
hard stop `hard_stop_atr_mult` ATR(14) from the signal's close; or `max_hold_bars` bars held (0:
never).
Technical score: size of the gap, x / (1 + x) in [0, 1), where x is its distance beyond the bar
before in ATR(14); 0.5 means one ATR.
Warm-up: max(2, `trend_ma`) bars for entries; exits from the first gap on. Scale-free.

Source: Crabel (1990), "Day Trading with Short Term Price Patterns and Opening Range Breakout"
(gaps and their fill), decided at the close and filled at the next open.
"""

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.indicators import average_true_range, follows_trend, strength
from engine.parameter_rules import (
    HoldBars,
    StopMultiple,
    TrendBars,
    refuse_no_side,
    refuse_one_bar_trend,
)
from models.history import History
from models.kernel import kernel

STATE_SIZE = 2
INDICATORS = ("gap_atr",)


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bars and multiples of ATR(14)."""

    min_gap_atr: Annotated[float, msgspec.Meta(ge=0.0, le=5.0, extra={"search": (0.1, 1.0)})] = 0.2
    trend_ma: TrendBars = 0
    hard_stop_atr_mult: StopMultiple = 2.0
    max_hold_bars: HoldBars = 5
    longs: bool = True
    shorts: bool = True

    def __post_init__(self) -> None:
        """Refuse a trend of one bar, and to trade neither side."""
        refuse_one_bar_trend(self.trend_ma)
        refuse_no_side(longs=self.longs, shorts=self.shorts)


@kernel
def gap_of(history: History) -> float:
    """Return how far the bar opened outside the one before, in price; 0 for inside, above > 0."""
    last = history.end - 1
    above = history.open[last] - history.high[last - 1]
    below = history.open[last] - history.low[last - 1]
    return float(max(above, 0.0) + min(below, 0.0))


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the decision at the current close: see `engine.strategy` for the layout of `out`."""
    min_gap_atr, trend_ma, stop_atr_mult = params[0], int(params[1]), params[2]
    if history.count < 2:
        return
    last = history.end - 1
    close, close_before = history.close[last], history.close[last - 1]
    gap = gap_of(history)
    for side, is_traded, number in ((1.0, params[4], 0), (-1.0, params[5], 1)):
        if is_traded == 0.0:
            continue
        against = -side * gap
        atr = average_true_range(history)
        is_gap = against > 0.0 and against >= min_gap_atr * atr
        if is_gap:
            # State: the close that fills the last gap, for longs and for shorts.
            state[number] = close_before
        if state[number] > 0.0 and side * (close - state[number]) >= 0.0:
            out[3 + number] = 1.0
        has_turned = side * (close - history.open[last]) > 0.0
        is_left = side * (close_before - close) > 0.0
        if is_gap and has_turned and is_left and follows_trend(history, trend_ma, side):
            out[0] = side
            out[1] = strength(against, atr)
            out[2] = close - side * stop_atr_mult * atr


@kernel
def indicators(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the values of INDICATORS as of the current close, NaN before their warm-up."""
    if history.count < 2:
        return
    gap = gap_of(history)
    out[0] = gap / average_true_range(history) if gap != 0.0 else 0.0
