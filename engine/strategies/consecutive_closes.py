"""Consecutive closes: buy after several lower closes in a row, in a rising market.

Entry: each of the last `bars` closes was below the one before it (shorts: above, `shorts`), while
the close stands on the trade's side of its `trend_ma`-bar mean; with `trend_ma` 0 the trend is
not asked.
Exit: a close above the `exit_ma`-bar mean (shorts: below), at the next open; a hard stop
`hard_stop_atr_mult` ATR(14) from the signal's close; or `max_hold_bars` bars held (0: never).
Technical score: depth of the fall, x / (1 + x) in (0, 1), where x is the change over those `bars`
closes in ATR(14); 0.5 means one ATR.
Warm-up: max(`bars` + 1, `trend_ma`) bars for entries, `exit_ma` for exits. Scale-free.

Source: Connors and Alvarez (2009), "High Probability ETF Trading" (multiple days down).
"""

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.indicators import average_true_range, follows_trend, mean_of_last, strength
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
INDICATORS = ("closes_in_a_row", "exit_ma")

RUN_BARS_MAX = 20


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bars and multiples of ATR(14)."""

    bars: Annotated[int, msgspec.Meta(ge=2, le=10, extra={"search": (2, 6)})] = 3
    exit_ma: Annotated[int, msgspec.Meta(ge=2, le=250, extra={"search": (3, 15)})] = 5
    trend_ma: TrendBars = 200
    hard_stop_atr_mult: StopMultiple = 2.5
    max_hold_bars: HoldBars = 10
    longs: bool = True
    shorts: bool = False

    def __post_init__(self) -> None:
        """Refuse a trend of one bar, and to trade neither side."""
        refuse_one_bar_trend(self.trend_ma)
        refuse_no_side(longs=self.longs, shorts=self.shorts)


@kernel
def closes_in_a_row(history: History) -> int:
    """Return how many closes in a row rose (above 0) or fell (below), RUN_BARS_MAX at most."""
    closes, last = history.close, history.end - 1
    known = min(history.count - 1, RUN_BARS_MAX)
    rises, falls = 0, 0
    while rises < known and closes[last - rises] > closes[last - rises - 1]:
        rises += 1
    while falls < known and closes[last - falls] < closes[last - falls - 1]:
        falls += 1
    return rises - falls


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
    last = history.end - 1
    close = history.close[last]
    run = closes_in_a_row(history)
    exit_mean = np.nan
    if history.count >= exit_ma:
        exit_mean = mean_of_last(history.close, history.end, exit_ma)
    for side, is_traded, exit_at in ((1.0, params[5], 3), (-1.0, params[6], 4)):
        if is_traded == 0.0:
            continue
        if side * (close - exit_mean) > 0.0:
            out[exit_at] = 1.0
        if -side * run >= bars and follows_trend(history, trend_ma, side):
            atr = average_true_range(history)
            out[0] = side
            out[1] = strength(side * (history.close[last - bars] - close), atr)
            out[2] = close - side * stop_atr_mult * atr


@kernel
def indicators(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the values of INDICATORS as of the current close, NaN before their warm-up."""
    exit_ma = int(params[1])
    if history.count > 1:
        out[0] = closes_in_a_row(history)
    if history.count >= exit_ma:
        out[1] = mean_of_last(history.close, history.end, exit_ma)
