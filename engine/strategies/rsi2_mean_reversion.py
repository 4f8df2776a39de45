"""RSI(2) mean reversion: buy a short, deep dip in a rising market.

Entry: RSI(`period`, Wilder) below `entry` while the close stands above its `trend_ma`-bar mean;
with `trend_ma` 0 the trend is not asked. With `shorts` also the mirror of it: RSI above
100 - `entry` while the close stands below its mean.
Exit: RSI above `exit` (shorts: below 100 - `exit`), at the next open; a hard stop
`hard_stop_atr_mult` ATR(14) from the signal's close; or `max_hold_bars` bars held (0: never).
Technical score: depth of the dip, 1 - RSI / entry, in (0, 1]; 1 at RSI 0
(shorts: of 100 - RSI).
Warm-up: max(`trend_ma`, `period` + 1) bars for entries, `period` + 1 for exits; before that
neither is given.
RSI of a market that has not moved is 50. Scale-free.

On the bundled sample (5 stocks, daily, 12,154 bars) the entry condition holds on 693 bars; with
one position at a time 339 signals remain.

Source: Connors and Alvarez (2008), "Short Term Trading Strategies That Work"; RSI: Wilder
(1978), "New Concepts in Technical Trading Systems".
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
    refuse_one_bar_trend,
)
from models.history import History
from models.kernel import kernel

STATE_SIZE = 2
INDICATORS = ("rsi", "trend_ma")


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bars, RSI points (0..100) and multiples of ATR(14).

    `trend_ma` is 0 (no trend filter) or 2 to TREND_MA_MAX bars.
    """

    period: Annotated[int, msgspec.Meta(ge=2, le=50, extra={"search": (2, 6)})] = 2
    entry: Annotated[float, msgspec.Meta(gt=0.0, lt=50.0, extra={"search": (2.0, 30.0)})] = 10.0
    exit: Annotated[float, msgspec.Meta(ge=50.0, lt=100.0, extra={"search": (50.0, 90.0)})] = 65.0
    trend_ma: TrendBars = 200
    hard_stop_atr_mult: StopMultiple = 2.5
    max_hold_bars: HoldBars = 10
    shorts: bool = False

    def __post_init__(self) -> None:
        """Refuse a mean of one bar, which no close stands above."""
        refuse_one_bar_trend(self.trend_ma)


@kernel
def rsi(state: NDArray[np.float64], history: History, period: int) -> float:
    """Return Wilder's RSI, 0..100; NaN before `period` + 1 bars.

    `state` holds the average gain and loss: a plain mean first, Wilder's recursion then.
    """
    if history.count < 2:
        return np.nan
    change = history.close[history.end - 1] - history.close[history.end - 2]
    changes = min(history.count - 1, period)
    state[0] += (max(change, 0.0) - state[0]) / changes
    state[1] += (max(-change, 0.0) - state[1]) / changes
    if history.count <= period:
        return np.nan
    total = state[0] + state[1]
    return 50.0 if total == 0.0 else 100.0 * state[0] / total


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the decision at the current close: see `engine.strategy` for the layout of `out`."""
    period, entry, exit_ = int(params[0]), params[1], params[2]
    trend_ma, stop_atr_mult = int(params[3]), params[4]
    value = rsi(state, history, period)
    if value > exit_:
        out[3] = 1.0
    close = history.close[history.end - 1]
    if value < entry and follows_trend(history, trend_ma, 1.0):
        out[0] = 1.0
        out[1] = 1.0 - value / entry
        out[2] = close - stop_atr_mult * average_true_range(history)
    if params[6] == 0.0:
        return
    mirrored = 100.0 - value
    if mirrored > exit_:
        out[4] = 1.0
    if mirrored < entry and follows_trend(history, trend_ma, -1.0):
        out[0] = -1.0
        out[1] = 1.0 - mirrored / entry
        out[2] = close + stop_atr_mult * average_true_range(history)


@kernel
def indicators(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the values of INDICATORS as of the current close, NaN before their warm-up."""
    period, trend_ma = int(params[0]), int(params[3])
    if history.count > period:
        total = state[0] + state[1]
        out[0] = 50.0 if total == 0.0 else 100.0 * state[0] / total
    if trend_ma > 0 and history.count >= trend_ma:
        out[1] = mean_of_last(history.close, history.end, trend_ma)
