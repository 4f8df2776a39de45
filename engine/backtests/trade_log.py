"""The trades of a backtest in columns: every raw signal, and what became of its virtual trade."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.settings import CostSettings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class TradeLog(NamedTuple):
    """k signals by symbol, then bar; every column has k values.

    `signal_row`, `entry_row`, `exit_row`: rows of the history, -1 where it has not happened;
    `decided_row`: at whose close an exit at the next open was decided, -1 for none.
    `slot`: the symbol's number. `side` 1 or -1; `score` in [0, 1]; `price`, the signal's close,
    `stop`, always set, and `atr` (14) as of the signal; `entry_price`, `exit_price`, and `risk`,
    the distance of 1 R, in quote currency, NaN or 0 before there is one. `reason` as in
    `engine.trade`, 0 while the trade is open; `bars_held`: closes it was held over. `has_stop`:
    the stop is the signal's own, not one that stands a number of ATR away.
    """

    signal_row: Ints
    entry_row: Ints
    exit_row: Ints
    decided_row: Ints
    slot: Ints
    side: Ints
    reason: Ints
    bars_held: Ints
    score: Floats
    price: Floats
    stop: Floats
    atr: Floats
    entry_price: Floats
    exit_price: Floats
    risk: Floats
    has_stop: Ints

    @property
    def signals(self) -> int:
        """How many signals there are (`len` of a tuple is that of its columns)."""
        return len(self.signal_row)

    @property
    def is_closed(self) -> Bools:
        """Which trades have been entered and left, bool (k,)."""
        return np.asarray(self.exit_row >= 0)

    def take(self, rows: Ints | Bools) -> "TradeLog":
        """Return the signals at `rows`, a mask or indices."""
        return type(self)._make(column[rows] for column in self)


class TradeFigures(NamedTuple):
    """What closed trades made, per unit, in quote currency: columns of k values.

    NaN, and `is_sound` False, where a trade is open or its risk is no figure. `y_binary` int8.
    """

    y_return: Floats
    y_pnl_gross: Floats
    y_pnl_net: Floats
    r_multiple: Floats
    y_binary: NDArray[np.int8]
    is_sound: Bools


def log_of(records: NDArray[np.void]) -> TradeLog:
    """Return records of LOGGED as columns."""
    return TradeLog._make(np.ascontiguousarray(records[name]) for name in TradeLog._fields)


def figures_of(log: TradeLog, costs: Sequence[CostSettings]) -> TradeFigures:
    """Return what each trade made, bit for bit as `engine.trade.settle`.

    `costs` has one entry per symbol of the history.
    """
    entry, exit_ = log.entry_price, log.exit_price
    with np.errstate(all="ignore"):
        gross = log.side * (exit_ - entry)
        net = gross - side_costs(log, costs, entry) - side_costs(log, costs, exit_)
        y_return = log.side * (exit_ / entry - 1.0)
        r_multiple = net / log.risk
    is_sound = log.is_closed & (log.risk > 0.0)
    for column in (log.risk, gross, net, y_return, r_multiple):
        is_sound &= np.isfinite(column)
    return TradeFigures(
        y_return=np.where(is_sound, y_return, np.nan),
        y_pnl_gross=np.where(is_sound, gross, np.nan),
        y_pnl_net=np.where(is_sound, net, np.nan),
        r_multiple=np.where(is_sound, r_multiple, np.nan),
        y_binary=(is_sound & (net > 0.0)).astype(np.int8),
        is_sound=is_sound,
    )


def side_costs(log: TradeLog, costs: Sequence[CostSettings], price: Floats) -> Floats:
    """Return the cost of one fill of each trade at `price` (k,), as `engine.trade.cost_of_side`.

    `costs` has one entry per symbol of the history.
    """
    bps = np.array([one.bps_per_side for one in costs], dtype=np.float64)
    commission = np.array([one.commission_per_side for one in costs], dtype=np.float64)
    slippage = np.array([one.slippage_ticks * one.tick_size for one in costs], dtype=np.float64)
    slot = log.slot
    cost: Floats = price * bps[slot] / 10_000.0 + commission[slot] + slippage[slot]
    return cost
