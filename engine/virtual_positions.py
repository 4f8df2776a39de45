"""At most one virtual position per symbol of a strategy: what it would hold if it traded alone.

Positions follow the strategy's own exits, stop and maximum hold, however its signals are
labelled: the label must not decide which signals there are. These kernels are composed into
each strategy's `run` (`engine.strategy`); a position is a record of TRADE and a flag.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.trade import advance, pend
from models.kernel import kernel


@kernel
def hold_on(
    trades: Any,
    held: NDArray[np.bool_],
    slot: int,
    ts: int,
    bar: NDArray[np.float64],
    exit_long: float,
    exit_short: float,
) -> bool:
    """Move a held position by one bar; return whether nothing is held or about to be entered.

    `bar` is float64, open to volume; the flags are the strategy's word at this bar's close.
    """
    if held[slot]:
        record = trades[slot]
        exit_flag = (exit_long if record.side > 0 else exit_short) > 0.0
        if advance(record, ts, bar[0], bar[1], bar[2], bar[3], exit_flag):
            held[slot] = False
    return not held[slot]


@kernel
def enter(
    trades: Any,
    held: NDArray[np.bool_],
    slot: int,
    side: int,
    price: float,
    stop: float,
    max_hold_bars: int,
) -> None:
    """Hold a position from the next open on: the record that `engine.trade.new_trade` describes.

    Without a target and by no labelling rule.
    """
    pend(trades[slot], side, price, stop, 0.0, max_hold_bars, -1)
    held[slot] = True
