"""What one unit of capital per symbol earns bar by bar, out of a log of its trades.

A trade puts all of its symbol's capital in at the entry: 1 / entry price units per unit of it,
held to the exit. The capital is marked at every close, at the entry from the entry's price and at
the exit to the exit's; costs are taken off once at each side. So over the bars of a closed trade
the returns compound to 1 + y_pnl_net / entry price, and those of a symbol to the product of its
trades'. An open trade has paid its entry, and is marked at the last close.

Nobody loses more than all of it: a bar that would (a short whose price has doubled) returns -1,
the rest of that trade 0, and the next trade begins with new capital.
"""

import sys
from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.backtests.bar_history import BarHistory
from engine.backtests.trade_log import TradeLog
from engine.settings import CostSettings
from models.compiled import load_compiled
from models.kernel import kernel
from streams.errors import ConfigError

NO_OVERLAP = -1

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class MarkedTrades(NamedTuple):
    """One unit of capital per symbol over n bars: columns of n values, in the history's order.

    `returns`: what it earns in the bar, >= -1, 0 without a trade; `exposure`: the value of the
    position at the close over the capital, >= 0, 0 where none is held over it.
    """

    returns: Floats
    exposure: Floats


def mark_trades(log: TradeLog, history: BarHistory, costs: list[CostSettings]) -> MarkedTrades:
    """Return what the trades of `log` make of one unit of capital per symbol.

    `costs` has one entry per symbol of the history. Raises ConfigError where two trades of a
    symbol are open in one bar: they would need two units.
    """
    sides = np.array(
        [
            (one.bps_per_side, one.commission_per_side, one.slippage_ticks * one.tick_size)
            for one in costs
        ],
        dtype=np.float64,
    ).reshape(len(costs), 3)
    returns, exposure = np.zeros(len(history)), np.zeros(len(history))
    at = load_return_kernels().mark(
        history.starts,
        history.values,
        log.slot,
        log.entry_row,
        log.exit_row,
        log.side,
        log.entry_price,
        log.exit_price,
        sides,
        returns,
        exposure,
    )
    if at != NO_OVERLAP:
        raise ConfigError(
            f"trades of {history.symbols[log.slot[at]]} overlap (signal {at}), and one unit of "
            "capital holds one at a time: set overlapping: false and label.rule: strategy"
        )
    return MarkedTrades(returns, exposure)


def trade_returns(log: TradeLog, history: BarHistory, costs: list[CostSettings]) -> Floats:
    """Return what one unit of capital per symbol earns in each bar, float64 (n,), net of costs.

    Arguments and errors as `mark_trades`.
    """
    return mark_trades(log, history, costs).returns


@kernel
def mark(
    starts: Ints,
    values: Floats,
    slots: Ints,
    entry_rows: Ints,
    exit_rows: Ints,
    sides: Ints,
    entry_prices: Floats,
    exit_prices: Floats,
    costs: Floats,
    returns: Floats,
    exposure: Floats,
) -> int:
    """Write returns and exposure over the bars of k trades, ordered by symbol and signal.

    `costs` float64 (s, 3): basis points, commission and slippage of one side. Returns the first
    trade that is entered before the one before it is out, else NO_OVERLAP.
    """
    is_busy_to = -1
    for k in range(len(slots)):
        row = entry_rows[k]
        if row < 0:
            continue
        if row <= is_busy_to:
            return k
        slot, side, entry, exit_row = slots[k], sides[k], entry_prices[k], exit_rows[k]
        bps, commission, slippage = costs[slot, 0], costs[slot, 1], costs[slot, 2]
        is_busy_to = exit_row if exit_row >= 0 else starts[slot + 1] - 1
        paid = entry * bps / 10_000.0 + commission + slippage
        worth = 1.0
        for i in range(row, is_busy_to + 1):
            price = values[i, 3]
            if i == exit_row:
                price = exit_prices[k]
                paid += price * bps / 10_000.0 + commission + slippage
            now = max(1.0 + (side * (price - entry) - paid) / entry, 0.0)
            if worth > 0.0:
                returns[i] = now / worth - 1.0
                if i != exit_row and now > 0.0:
                    exposure[i] = price / entry / now
                worth = now
    return NO_OVERLAP


_SOURCE = '''"""The returns of trades, as a call from Python."""

import numba

from engine.backtests import trade_returns as kernels

INTS, FLOATS, ROWS = numba.int64[::1], numba.float64[::1], numba.float64[:, ::1]


@numba.njit(
    numba.int64(
        INTS, ROWS, INTS, INTS, INTS, INTS, FLOATS, FLOATS, ROWS, FLOATS, FLOATS
    ),
    cache=True,
    error_model="numpy",
    nogil=True,
)
def mark(starts, values, slots, entries, exits, sides, entry, exit_, costs, returns, exposure):
    return kernels.mark(
        starts, values, slots, entries, exits, sides, entry, exit_, costs, returns, exposure
    )
'''


@lru_cache(maxsize=1)
def load_return_kernels() -> ModuleType:
    """Return the compiled module: `mark`."""
    return load_compiled("trade_returns", _SOURCE, (sys.modules[__name__],))
