"""IBS reversion: buy a close near the bottom of its bar's range, sell one near the top.

Entry: internal bar strength, (close - low) / (high - low), below `entry` for a long, above
1 - `entry` for a short (`shorts`), while the close stands on the trade's side of its
`trend_ma`-bar mean; with `trend_ma` 0 the trend is not asked.
Exit: a strength above `exit` (shorts: below 1 - `exit`), at the next open; a hard stop
`hard_stop_atr_mult` ATR(14) from the signal's close; or `max_hold_bars` bars held (0: never).
Technical score: how near the extreme the close is, 1 - strength / `entry` in (0, 1]; 1 at the
very low (shorts: high).
Warm-up: `trend_ma` bars for entries, none for exits. A bar without a range has strength 0.5.
Scale-free.

Source: Pagonidis (2014), "The IBS Effect: Mean Reversion in Equity ETFs".
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
INDICATORS = ("ibs", "trend_ma")


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fractions of the bar's range, bars and multiples of ATR(14)."""

    entry: Annotated[float, msgspec.Meta(gt=0.0, lt=0.5, extra={"search": (0.05, 0.3)})] = 0.15
    exit: Annotated[float, msgspec.Meta(ge=0.5, lt=1.0, extra={"search": (0.5, 0.9)})] = 0.75
    trend_ma: TrendBars = 200
    hard_stop_atr_mult: StopMultiple = 2.5
    max_hold_bars: HoldBars = 5
    longs: bool = True
    shorts: bool = False

    def __post_init__(self) -> None:
        """Refuse a trend of one bar, and to trade neither side."""
        refuse_one_bar_trend(self.trend_ma)
        refuse_no_side(longs=self.longs, shorts=self.shorts)


@kernel
def internal_bar_strength(history: History) -> float:
    """Return where the close sits in the current bar's range, in [0, 1]; 0.5 without a range."""
    last = history.end - 1
    spread = history.high[last] - history.low[last]
    if spread <= 0.0:
        return 0.5
    return float((history.close[last] - history.low[last]) / spread)


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the decision at the current close: see `engine.strategy` for the layout of `out`."""
    entry, exit_, trend_ma, stop_atr_mult = params[0], params[1], int(params[2]), params[3]
    close = history.close[history.end - 1]
    value = internal_bar_strength(history)
    for side, is_traded, exit_at in ((1.0, params[5], 3), (-1.0, params[6], 4)):
        if is_traded == 0.0:
            continue
        along = value if side > 0.0 else 1.0 - value
        if along > exit_:
            out[exit_at] = 1.0
        if along < entry and follows_trend(history, trend_ma, side):
            out[0] = side
            out[1] = 1.0 - along / entry
            out[2] = close - side * stop_atr_mult * average_true_range(history)


@kernel
def indicators(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the values of INDICATORS as of the current close, NaN before their warm-up."""
    trend_ma = int(params[2])
    out[0] = internal_bar_strength(history)
    if trend_ma > 0 and history.count >= trend_ma:
        out[1] = mean_of_last(history.close, history.end, trend_ma)
