"""Momentum rank: hold what has risen steadily for a year, the last month left out.

A strategy sees one symbol; the cross-section is the portfolio's. Every symbol whose momentum is
beyond `entry` signals, and the portfolio gives its few slots to the highest scores: the winners
of that instant. Momentum is the log return from `lookback_bars` to `skip_bars` bars ago, over
what chance would make of it: the standard deviation of the last VOLATILITY_BARS returns times the
root of the bars between. So a quiet stock and a wild one compare.

Entry: long at a momentum above `entry`, short (`shorts`) below -`entry`.
Exit: a momentum below 0 (shorts: above), at the next open; a hard stop `hard_stop_atr_mult`
ATR(14) from the signal's close; or `max_hold_bars` bars held (0: never), after which the symbol
stands in the ranking anew.
Technical score: |momentum| / (1 + |momentum|) in [0, 1): the rank, comparable across symbols.
Warm-up: max(`lookback_bars`, VOLATILITY_BARS) + 1 bars. A market that has not moved has no
momentum. Scale-free.

Source: Jegadeesh and Titman (1993), "Returns to Buying Winners and Selling Losers", Journal of
Finance 48; by volatility: Barroso and Santa-Clara (2015), "Momentum Has Its Moments", Journal of
Financial Economics 116.
"""

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.indicators import average_true_range, strength
from engine.parameter_rules import HoldBars, StopMultiple, refuse_no_side, refuse_unless_less
from models.history import History
from models.kernel import kernel

STATE_SIZE = 1
INDICATORS = ("momentum",)

VOLATILITY_BARS = 63


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bars, standard deviations and multiples of ATR(14). `skip_bars` is below `lookback_bars`."""

    lookback_bars: Annotated[int, msgspec.Meta(ge=5, le=254, extra={"search": (63, 252)})] = 252
    skip_bars: Annotated[int, msgspec.Meta(ge=0, le=63, extra={"search": (0, 21)})] = 21
    entry: Annotated[float, msgspec.Meta(ge=0.0, le=5.0, extra={"search": (0.0, 1.0)})] = 0.5
    hard_stop_atr_mult: StopMultiple = 4.0
    max_hold_bars: HoldBars = 21
    longs: bool = True
    shorts: bool = False

    def __post_init__(self) -> None:
        """Refuse to skip the whole return, and to trade neither side."""
        refuse_unless_less("skip_bars", self.skip_bars, "lookback_bars", self.lookback_bars)
        refuse_no_side(longs=self.longs, shorts=self.shorts)


@kernel
def momentum(closes: NDArray[np.float64], end: int, lookback_bars: int, skip_bars: int) -> float:
    """Return the log return in standard deviations of chance; NaN for a market that is still."""
    total, squares = 0.0, 0.0
    for i in range(end - VOLATILITY_BARS, end):
        change = closes[i] / closes[i - 1] - 1.0
        total += change
        squares += change * change
    mean = total / VOLATILITY_BARS
    variance = squares / VOLATILITY_BARS - mean * mean
    if not variance > 0.0:
        return np.nan
    newest = end - 1
    change = np.log(closes[newest - skip_bars] / closes[newest - lookback_bars])
    return float(change / np.sqrt(variance * (lookback_bars - skip_bars)))


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the decision at the current close: see `engine.strategy` for the layout of `out`."""
    lookback_bars, skip_bars = int(params[0]), int(params[1])
    entry, stop_atr_mult = params[2], params[3]
    state[0] = np.nan
    if history.count <= max(lookback_bars, VOLATILITY_BARS):
        return
    value = momentum(history.close, history.end, lookback_bars, skip_bars)
    state[0] = value
    for side, is_traded, exit_at in ((1.0, params[5], 3), (-1.0, params[6], 4)):
        if is_traded == 0.0:
            continue
        if side * value < 0.0:
            out[exit_at] = 1.0
        if side * value > entry:
            close = history.close[history.end - 1]
            out[0] = side
            out[1] = strength(side * value, 1.0)
            out[2] = close - side * stop_atr_mult * average_true_range(history)


@kernel
def indicators(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the values of INDICATORS as of the current close, NaN before their warm-up."""
    out[0] = state[0]
