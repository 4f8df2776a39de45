"""Moving-average cross: follow the fast mean of the closes when it crosses the slow one.

Entry: the `fast_ma`-bar mean stands above the `slow_ma`-bar mean and did not one bar before;
short (`shorts`) the other way round.
Exit: the fast mean below the slow one (shorts: above), at the next open; a hard stop
`hard_stop_atr_mult` ATR(14) from the signal's close; or `max_hold_bars` bars held (0: never).
Technical score: how far the market has gone already, x / (1 + x) in [0, 1), where x is the
distance of the close beyond the slow mean in ATR(14); 0.5 means one ATR, 0 none.
Warm-up: `slow_ma` + 1 bars for entries, `slow_ma` for exits. Scale-free.

Source: Brock, Lakonishok and LeBaron (1992), "Simple Technical Trading Rules and the Stochastic
Properties of Stock Returns", Journal of Finance 47 (variable-length moving average).
"""

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.indicators import average_true_range, mean_of_last, strength
from engine.parameter_rules import HoldBars, StopMultiple, refuse_no_side, refuse_unless_less
from models.history import History
from models.kernel import kernel

STATE_SIZE = 1
INDICATORS = ("fast_ma", "slow_ma")


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bars and multiples of ATR(14). `fast_ma` is below `slow_ma`."""

    fast_ma: Annotated[int, msgspec.Meta(ge=1, le=200, extra={"search": (5, 40)})] = 20
    slow_ma: Annotated[int, msgspec.Meta(ge=2, le=250, extra={"search": (50, 200)})] = 100
    hard_stop_atr_mult: StopMultiple = 3.0
    max_hold_bars: HoldBars = 0
    longs: bool = True
    shorts: bool = True

    def __post_init__(self) -> None:
        """Refuse a fast mean that is no faster, and to trade neither side."""
        refuse_unless_less("fast_ma", self.fast_ma, "slow_ma", self.slow_ma)
        refuse_no_side(longs=self.longs, shorts=self.shorts)


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the decision at the current close: see `engine.strategy` for the layout of `out`."""
    fast_ma, slow_ma, stop_atr_mult = int(params[0]), int(params[1]), params[2]
    if history.count < slow_ma:
        return
    slow = mean_of_last(history.close, history.end, slow_ma)
    gap = mean_of_last(history.close, history.end, fast_ma) - slow
    # The state is the gap one bar before: no window of its own is summed again.
    gap_before = state[0]
    state[0] = gap
    close = history.close[history.end - 1]
    for side, is_traded, exit_at in ((1.0, params[4], 3), (-1.0, params[5], 4)):
        if is_traded == 0.0:
            continue
        if side * gap < 0.0:
            out[exit_at] = 1.0
        if history.count > slow_ma and side * gap > 0.0 and side * gap_before <= 0.0:
            atr = average_true_range(history)
            out[0] = side
            out[1] = strength(side * (close - slow), atr)
            out[2] = close - side * stop_atr_mult * atr


@kernel
def indicators(
    state: NDArray[np.float64],
    history: History,
    params: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the values of INDICATORS as of the current close, NaN before their warm-up."""
    fast_ma, slow_ma = int(params[0]), int(params[1])
    if history.count >= fast_ma:
        out[0] = mean_of_last(history.close, history.end, fast_ma)
    if history.count >= slow_ma:
        out[1] = mean_of_last(history.close, history.end, slow_ma)
