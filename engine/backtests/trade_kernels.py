"""The backtest's compiled loops: signals out of decisions, and their trades walked to the exit.

Each symbol's bars lie side by side, so a trade is walked over the rows behind its signal's. The
rules are those of the stream: `engine.trade.advance` moves every trade, and a strategy that does
not overlap signals where its virtual position is flat (`engine.virtual_positions`).
"""

import sys
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import trade
from engine.trade import EXITING, PENDING, SIGNAL, TIME, TRADE, advance, pend
from models.compiled import load_compiled
from models.kernel import kernel

NOWHERE = -1
FOLLOWS_STRATEGY, FOLLOWS_NOTHING = 0, -1

LOGGED = np.dtype(
    [
        ("signal_row", np.int64),
        ("entry_row", np.int64),
        ("exit_row", np.int64),
        ("decided_row", np.int64),
        ("slot", np.int64),
        ("side", np.int64),
        ("reason", np.int64),
        ("bars_held", np.int64),
        ("score", np.float64),
        ("price", np.float64),
        ("stop", np.float64),
        ("atr", np.float64),
        ("entry_price", np.float64),
        ("exit_price", np.float64),
        ("risk", np.float64),
        ("has_stop", np.int64),
    ]
)
"""A signal and its trade. Rows of the history, NOWHERE where it has not happened; prices in quote
currency; `decided_row`: at whose close an exit at the next open was decided; `reason` as in
`engine.trade`, 0 while the trade is open; `has_stop`: the signal's own."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Records = NDArray[np.void]

__all__ = ["LOGGED", "TRADE", "load_backtest_kernels", "log_trades"]


@kernel
def walk_out(record: Any, ts: Ints, values: Floats, decisions: Floats, row: int, end: int) -> int:
    """Advance a pending trade over the rows behind its signal's; return the row of its exit.

    NOWHERE: it is open, or not even entered, at row `end`.
    """
    flag = 3 if record.side > 0 else 4
    for i in range(row + 1, end):
        exit_flag = record.rule >= 0 and decisions[i, flag] > 0.0
        bar = values[i]
        if advance(record, ts[i], bar[0], bar[1], bar[2], bar[3], exit_flag):
            return i
    return NOWHERE


@kernel
def note(logged: Any, record: Any, row: int, exit_row: int, end: int, slot: int) -> None:
    """Write what became of a signal's trade by row `end` into its place of the log."""
    logged.signal_row = row
    logged.entry_row = row + 1 if record.state != PENDING else NOWHERE
    logged.exit_row = exit_row
    logged.decided_row = NOWHERE
    if record.state == EXITING:
        logged.decided_row = end - 1
    elif exit_row >= 0 and (record.reason == SIGNAL or record.reason == TIME):
        logged.decided_row = exit_row - 1
    logged.slot = slot
    logged.side = record.side
    # What has been decided at the last close is not yet done.
    logged.reason = record.reason if exit_row >= 0 else 0
    logged.bars_held = record.bars_held
    logged.price = record.price
    logged.stop = record.stop
    logged.entry_price = record.entry_price
    logged.exit_price = record.exit_price
    logged.risk = record.risk


@kernel
def log_trades(
    starts: Ints,
    ts: Ints,
    values: Floats,
    decisions: Floats,
    is_traded: NDArray[np.bool_],
    is_overlapping: bool,
    max_hold_bars: int,
    stop_atr_mult: float,
    label_rule: int,
    label_target_r: float,
    label_hold_bars: int,
    desk: Records,
    log: Records,
) -> int:
    """Write every signal and its labelled trade into `log`; return how many there are.

    `decisions` float64 (n, DECISION_SIZE) as `Strategy.update_many` writes them. A signal's label
    follows the strategy's exits (`label_rule` FOLLOWS_STRATEGY) or a barrier of its own; which
    signals there are does not depend on it. `desk` has room for one TRADE, `log` for every row
    that decides to enter.
    """
    count = 0
    record = desk[0]
    for slot in range(len(starts) - 1):
        if not is_traded[slot]:
            continue
        end = starts[slot + 1]
        flat_from = starts[slot]
        for row in range(starts[slot], end):
            side = decisions[row, 0]
            if side == 0.0 or (row < flat_from and not is_overlapping):
                continue
            close, stop, atr = values[row, 3], decisions[row, 2], decisions[row, 5]
            has_stop = stop > 0.0 and stop < np.inf and side * (close - stop) > 0.0
            if not has_stop:
                stop = close - side * stop_atr_mult * atr
            pend(record, int(side), close, stop, label_target_r, label_hold_bars, label_rule)
            is_labelled = has_stop or atr > 0.0
            exit_row = NOWHERE
            if is_labelled:
                exit_row = walk_out(record, ts, values, decisions, row, end)
            logged = log[count]
            note(logged, record, row, exit_row, end, slot)
            logged.score = min(max(decisions[row, 1], 0.0), 1.0)
            logged.atr = atr
            logged.has_stop = has_stop
            count += 1
            if is_overlapping:
                continue
            if label_rule != FOLLOWS_STRATEGY or not is_labelled:
                pend(record, int(side), close, stop, 0.0, max_hold_bars, FOLLOWS_STRATEGY)
                exit_row = walk_out(record, ts, values, decisions, row, end)
            # The bar in which a position is closed may signal anew at its close.
            flat_from = exit_row if exit_row >= 0 else end
    return count


_SOURCE = '''"""The backtest's loops, as calls from Python."""

import numba

from engine.backtests import trade_kernels as kernels

INT, FLOAT, BOOL = numba.int64, numba.float64, numba.boolean
INTS, ROWS, BOOLS = INT[::1], FLOAT[:, ::1], BOOL[::1]
DESK, LOG = numba.from_dtype(kernels.TRADE)[::1], numba.from_dtype(kernels.LOGGED)[::1]


@numba.njit(
    INT(INTS, INTS, ROWS, ROWS, BOOLS, BOOL, INT, FLOAT, INT, FLOAT, INT, DESK, LOG),
    cache=True,
    error_model="numpy",
    nogil=True,
)
def log_trades(
    starts, ts, values, decisions, traded, overlapping, hold, stop, rule, target, bars, desk, log
):
    return kernels.log_trades(
        starts, ts, values, decisions, traded, overlapping, hold, stop, rule, target, bars,
        desk, log,
    )
'''


@lru_cache(maxsize=1)
def load_backtest_kernels() -> ModuleType:
    """Return the compiled module: `log_trades`."""
    return load_compiled("backtests", _SOURCE, (sys.modules[__name__], trade))
