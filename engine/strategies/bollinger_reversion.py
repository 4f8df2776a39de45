"""Bollinger reversion: trade back to the mean after a close outside the bands.

Entry: long at a close below the lower band, short (`shorts`) above the upper; the bands stand
`width` standard deviations of the last `period` closes about their mean. With `trend_ma` above 0
the close must stand on the trade's side of its `trend_ma`-bar mean.
Exit: a close at or beyond the mean, at the next open; a hard stop `hard_stop_atr_mult` ATR(14)
from the signal's close; or `max_hold_bars` bars held (0: never).
Technical score: how far outside the close is, x / (1 + x) in [0, 1), where x is its distance from
the band in standard deviations; 0.5 means one beyond.
Warm-up: `period` bars for entries and exits, `trend_ma` for entries. A market that has not moved
has no bands. Scale-free.

Source: Bollinger (2001), "Bollinger on Bollinger Bands" (population standard deviation).
"""

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.indicators import (
    average_true_range,
    deviation_of_last,
    follows_trend,
    mean_of_last,
    strength,
)
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
INDICATORS = ("middle_band", "upper_band", "lower_band", "z_score")

STILL = 1e-9
"""A standard deviation below this share of the mean is rounding: the market has not moved."""


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bars, standard deviations and multiples of ATR(14)."""

    period: Annotated[int, msgspec.Meta(ge=5, le=250, extra={"search": (10, 50)})] = 20
    width: Annotated[float, msgspec.Meta(ge=0.5, le=5.0, extra={"search": (1.5, 3.0)})] = 2.0
    trend_ma: TrendBars = 0
    hard_stop_atr_mult: StopMultiple = 3.0
    max_hold_bars: HoldBars = 20
    longs: bool = True
    shorts: bool = False

    def __post_init__(self) -> None:
        """Refuse a trend of one bar, and to trade neither side."""
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
    period, width, trend_ma, stop_atr_mult = int(params[0]), params[1], int(params[2]), params[3]
    if history.count < period:
        return
    close = history.close[history.end - 1]
    mean = mean_of_last(history.close, history.end, period)
    deviation = deviation_of_last(history.close, history.end, period, mean)
    for side, is_traded, exit_at in ((1.0, params[5], 3), (-1.0, params[6], 4)):
        if is_traded == 0.0:
            continue
        if side * (close - mean) >= 0.0:
            out[exit_at] = 1.0
        outside = side * (mean - close) - width * deviation
        is_wide = deviation > STILL * mean
        if outside > 0.0 and is_wide and follows_trend(history, trend_ma, side):
            out[0] = side
            out[1] = strength(outside, deviation)
            out[2] = close - side * stop_atr_mult * average_true_range(history)


@kernel
def indicators(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the values of INDICATORS as of the current close, NaN before their warm-up."""
    period, width = int(params[0]), params[1]
    if history.count < period:
        return
    mean = mean_of_last(history.close, history.end, period)
    deviation = deviation_of_last(history.close, history.end, period, mean)
    distance = history.close[history.end - 1] - mean
    out[0] = mean
    out[1] = mean + width * deviation
    out[2] = mean - width * deviation
    out[3] = distance / deviation if deviation > STILL * mean else 0.0
