"""The one rule by which a trade is entered and closed, bar by bar.

The strategist's virtual position, the labeller's outcomes and the backtest all advance the same
record with the same compiled function. On each bar after the signal's, in this order:

1. a pending entry is filled at the open. An open at or beyond the stop closes it at that same
   open (`gap`), with R = |signal price - stop|; otherwise R = |entry - stop|, and the target, if
   there is one, stands `target_r` R from the entry;
2. an exit decided at the previous close is filled at the open (`signal`, `time`);
3. an open at or beyond the stop or the target closes at the open (`stop`, `target`);
4. within the bar the stop is taken to come before the target, the conservative reading of a bar
   that touched both; each is filled at its own price;
5. at the close the bar counts as held: the strategy's exit flag of the side, else
   `max_hold_bars` bars held, decide an exit for the next open.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.settings import CostSettings
from models.kernel import kernel

PENDING, OPEN, EXITING, CLOSED = 0, 1, 2, 3
GAP, SIGNAL, TIME, STOP, TARGET = 1, 2, 3, 4, 5
REASON_NAMES = ("", "gap", "signal", "time", "stop", "target")

TRADE = np.dtype(
    [
        ("state", np.int64),
        ("side", np.int64),
        ("rule", np.int64),
        ("max_hold_bars", np.int64),
        ("bars_held", np.int64),
        ("reason", np.int64),
        ("entry_ts", np.int64),
        ("exit_ts", np.int64),
        ("price", np.float64),
        ("stop", np.float64),
        ("target_r", np.float64),
        ("target", np.float64),
        ("entry_price", np.float64),
        ("exit_price", np.float64),
        ("risk", np.float64),
    ]
)
"""A trade. `rule` is the bit of its strategy in exit flags, -1 for none; prices in quote
currency, `stop` always set, `target_r` 0 for no target, times UTC nanoseconds."""

Trades = NDArray[np.void]


def new_trade(
    *, side: int, price: float, stop: float, target_r: float, max_hold_bars: int, rule: int
) -> tuple[float, ...]:
    """Return the row of TRADE for a signal whose entry is pending."""
    nan = float("nan")
    return (PENDING, side, rule, max_hold_bars, 0, 0, 0, 0, price, stop, target_r, nan, nan, nan, 0)


@kernel
def pend(
    record: Any,
    side: int,
    price: float,
    stop: float,
    target_r: float,
    max_hold_bars: int,
    rule: int,
) -> None:
    """Make a record of TRADE one whose entry is pending: what `new_trade` returns."""
    record.state = PENDING
    record.side = side
    record.rule = rule
    record.max_hold_bars = max_hold_bars
    record.bars_held = 0
    record.reason = 0
    record.entry_ts = 0
    record.exit_ts = 0
    record.price = price
    record.stop = stop
    record.target_r = target_r
    record.target = np.nan
    record.entry_price = np.nan
    record.exit_price = np.nan
    record.risk = 0.0


def stop_of(side: int, price: float, stop: float | None, atr: float, atr_mult: float) -> float:
    """Return the signal's own stop, or the price `atr_mult` ATR(14) on the losing side of it."""
    return price - side * atr_mult * atr if stop is None else stop


@kernel
def close_trade(trade: Any, ts: int, price: float, reason: int) -> bool:
    """Write the exit into the record; returns True."""
    trade.state = CLOSED
    trade.exit_ts = ts
    trade.exit_price = price
    trade.reason = reason
    return True


@kernel
def fill_entry(trade: Any, ts: int, open_: float) -> bool:
    """Fill a pending entry at the open; returns whether a gap through the stop closed it."""
    trade.entry_ts = ts
    trade.entry_price = open_
    trade.state = OPEN
    if trade.side * (open_ - trade.stop) <= 0.0:
        trade.risk = abs(trade.price - trade.stop)
        return bool(close_trade(trade, ts, open_, GAP))
    trade.risk = abs(open_ - trade.stop)
    trade.target = open_ + trade.side * trade.target_r * trade.risk
    return False


@kernel
def advance(
    trade: Any, ts: int, open_: float, high: float, low: float, close: float, exit_flag: bool
) -> bool:
    """Advance one record of TRADE by one bar; returns whether the trade closed in it.

    `exit_flag` is the strategy's word at this bar's close for the trade's side.
    """
    if trade.state == PENDING:
        if fill_entry(trade, ts, open_):
            return True
    elif trade.state == EXITING:
        return bool(close_trade(trade, ts, open_, trade.reason))
    side = trade.side
    has_target = trade.target_r > 0.0
    worst, best = (low, high) if side > 0 else (high, low)
    if side * (open_ - trade.stop) <= 0.0:
        return bool(close_trade(trade, ts, open_, STOP))
    if has_target and side * (open_ - trade.target) >= 0.0:
        return bool(close_trade(trade, ts, open_, TARGET))
    if side * (worst - trade.stop) <= 0.0:
        return bool(close_trade(trade, ts, trade.stop, STOP))
    if has_target and side * (best - trade.target) >= 0.0:
        return bool(close_trade(trade, ts, trade.target, TARGET))
    trade.bars_held += 1
    if exit_flag:
        trade.state = EXITING
        trade.reason = SIGNAL
    elif 0 < trade.max_hold_bars <= trade.bars_held:
        trade.state = EXITING
        trade.reason = TIME
    return False


class Figures(NamedTuple):
    """What a closed trade made, per unit, in quote currency; `r_multiple` is net over risk."""

    y_return: float
    y_pnl_gross: float
    y_pnl_net: float
    r_multiple: float
    y_binary: int


def cost_of_side(costs: CostSettings, price: float) -> float:
    """Return the cost of one fill at `price`, per unit, in quote currency."""
    slippage = costs.slippage_ticks * costs.tick_size
    return price * costs.bps_per_side / 10_000.0 + costs.commission_per_side + slippage


def settle(side: int, entry: float, exit_: float, risk: float, costs: CostSettings) -> Figures:
    """Return the figures of a closed trade; costs are paid once on each side."""
    gross = side * (exit_ - entry)
    net = gross - cost_of_side(costs, entry) - cost_of_side(costs, exit_)
    return Figures(side * (exit_ / entry - 1.0), gross, net, net / risk, int(net > 0.0))
