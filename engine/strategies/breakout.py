"""Breakout: buy a close that clears the highs of the last weeks in a rising market.

Entry: the close stands above the highest high of the FAST_BARS bars before it by the fraction
`fast_clearance`, above that of the SLOW_BARS bars before it by `slow_clearance`, and above its
`trend_ma`-bar mean. With `shorts` also the mirror of it: a close below the lowest lows by the same
fractions, and below its mean.
Exit: a close below the `exit_ma`-bar mean (shorts: above), at the next open; a hard stop
`hard_stop_atr_mult` ATR(14) from the signal's close; or `max_hold_bars` bars held (0: never).
Technical score: strength of the clearance, x / (1 + x) in [0, 1), where x is the distance of
the close beyond the slow high (shorts: low) in ATR(14); 0.5 means one ATR clear.
Warm-up: max(SLOW_BARS + 1, `trend_ma`) bars for entries, `exit_ma` for exits. Scale-free.

On the bundled sample (5 stocks, daily, 12,154 bars) the bare condition (both clearances 0,
trend_ma 20) holds on 1,063 bars, the defaults on 648; with one position at a time 240 and 204
signals remain.

Source: Donchian's channel rule, as in Faith (2007), "Way of the Turtle", with trend filter and
clearances; the ranges in `extra` are those worth searching.
"""

from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.indicators import (
    average_true_range,
    highest_of_last,
    lowest_of_last,
    mean_of_last,
)
from models.history import History
from models.kernel import kernel

STATE_SIZE = 0
INDICATORS = ("fast_high", "slow_high", "fast_low", "slow_low", "trend_ma", "exit_ma")

FAST_BARS = 10
SLOW_BARS = 20


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Multiples of ATR(14), bars, and fractions of price."""

    hard_stop_atr_mult: Annotated[
        float, msgspec.Meta(ge=0.5, le=10.0, extra={"search": (1.5, 4.0)})
    ] = 2.5
    exit_ma: Literal[20, 50] = 20
    fast_clearance: Annotated[
        float, msgspec.Meta(ge=0.0, le=0.2, extra={"search": (0.0, 0.02)})
    ] = 0.0
    slow_clearance: Annotated[
        float, msgspec.Meta(ge=0.0, le=0.2, extra={"search": (0.005, 0.025)})
    ] = 0.005
    trend_ma: Literal[20, 50, 100] = 50
    max_hold_bars: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    shorts: bool = False


@kernel
def go_short(history: History, params: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Write the decision of the short side: the mirror of the long one."""
    stop_atr_mult, exit_ma, trend_ma = params[0], int(params[1]), int(params[4])
    end = history.end
    close = history.close[end - 1]
    if history.count >= exit_ma and close > mean_of_last(history.close, end, exit_ma):
        out[4] = 1.0
    if history.count < max(SLOW_BARS + 1, trend_ma):
        return
    fast_low = lowest_of_last(history.low, end - 1, FAST_BARS)
    slow_low = lowest_of_last(history.low, end - 1, SLOW_BARS)
    if (
        close < fast_low * (1.0 - params[2])
        and close < slow_low * (1.0 - params[3])
        and close < mean_of_last(history.close, end, trend_ma)
    ):
        atr = average_true_range(history)
        clearance = slow_low - close
        out[0] = -1.0
        out[1] = clearance / (atr + clearance)
        out[2] = close + stop_atr_mult * atr


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the decision at the current close: see `engine.strategy` for the layout of `out`."""
    if params[6] > 0.0:
        go_short(history, params, out)
    stop_atr_mult, exit_ma, trend_ma = params[0], int(params[1]), int(params[4])
    end = history.end
    close = history.close[end - 1]
    if history.count >= exit_ma and close < mean_of_last(history.close, end, exit_ma):
        out[3] = 1.0
    if history.count < max(SLOW_BARS + 1, trend_ma):
        return
    fast_high = highest_of_last(history.high, end - 1, FAST_BARS)
    slow_high = highest_of_last(history.high, end - 1, SLOW_BARS)
    if (
        close > fast_high * (1.0 + params[2])
        and close > slow_high * (1.0 + params[3])
        and close > mean_of_last(history.close, end, trend_ma)
    ):
        atr = average_true_range(history)
        clearance = close - slow_high
        out[0] = 1.0
        out[1] = clearance / (atr + clearance)
        out[2] = close - stop_atr_mult * atr


@kernel
def indicators(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the values of INDICATORS as of the current close, NaN before their warm-up."""
    exit_ma, trend_ma = int(params[1]), int(params[4])
    end = history.end
    if history.count > FAST_BARS:
        out[0] = highest_of_last(history.high, end - 1, FAST_BARS)
        out[2] = lowest_of_last(history.low, end - 1, FAST_BARS)
    if history.count > SLOW_BARS:
        out[1] = highest_of_last(history.high, end - 1, SLOW_BARS)
        out[3] = lowest_of_last(history.low, end - 1, SLOW_BARS)
    if history.count >= trend_ma:
        out[4] = mean_of_last(history.close, end, trend_ma)
    if history.count >= exit_ma:
        out[5] = mean_of_last(history.close, end, exit_ma)
