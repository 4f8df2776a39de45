"""The portfolio's compiled loop: which signals get a position, and the equity at every close.

At each instant, in this order:

1. at the open: exits that were decided are filled, then entries that were taken;
2. within the bar: stops and targets are filled;
3. at the close: every position is marked; then the signals of this close are looked at in order
   of priority, and those that find a slot and capital are taken, to be entered at the next open.

A slot is free, and the capital in it, from the close at which its exit was decided: both are
filled at the same open. A stop, a target or a gap is not known before it has happened. A symbol
that has had no bar for more than GONE_NS has left the market: what was held of it is worth its
last close, and holds neither slot nor capital until a bar comes after all.
"""

import sys
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.compiled import load_compiled
from models.kernel import kernel

TAKEN, REJECTED, SYMBOL_HELD, NO_SLOT, NO_CAPITAL, TOO_SMALL, NO_RATE = 1, 0, -1, -2, -3, -4, -5
NO_STOP = -6
"""What became of a signal: TAKEN, REJECTED by the scorer, or why there was no position for it.
NO_STOP: its stop is no distance away, and the stream labels no trade of it either."""

GONE_NS = 31 * 86_400_000_000_000
"""Longer than any exchange holiday or trading halt that a position is expected to sit through."""

CANDIDATE = np.dtype(
    [
        ("signal_at", np.int64),
        ("entry_at", np.int64),
        ("exit_at", np.int64),
        ("leaves_from", np.int64),
        ("signal_row", np.int64),
        ("exit_row", np.int64),
        ("slot", np.int64),
        ("side", np.int64),
        ("price", np.float64),
        ("stop", np.float64),
        ("entry_price", np.float64),
        ("exit_price", np.float64),
        ("entry_cost", np.float64),
        ("exit_cost", np.float64),
        ("unit_value", np.float64),
        ("lot", np.float64),
        ("margin", np.float64),
        ("quantity", np.float64),
        ("pnl_gross", np.float64),
        ("pnl_net", np.float64),
        ("fate", np.int64),
    ]
)
"""A signal that asks for a position. `…_at` count instants, NEVER for what does not happen;
`leaves_from`: the close at which its exit is decided; costs per unit in price; `unit_value`: a
point of price in quote currency per unit. The last four are written: units, account currency."""

NEVER = 2**62

STEP = np.dtype(
    [
        ("equity", np.float64),
        ("gross_exposure", np.float64),
        ("tied_up", np.float64),
        ("traded", np.float64),
        ("positions", np.int64),
    ]
)
"""The account after a close: equity, value and margin of what is held, value traded in the bar."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Records = NDArray[np.void]


@kernel
def quantity_of(one: Any, equity: float, room: float, rate: float, risk_per_trade: float) -> float:
    """Return how many units a signal is given: whole lots, within its risk and the room left."""
    risk = abs(one.price - one.stop) * one.unit_value * rate
    tie = one.price * one.unit_value * rate * one.margin
    wanted = equity * risk_per_trade / risk
    affordable = max(room, 0.0) / tie
    # A hair above: what divides evenly must not lose a lot to rounding.
    return float(np.floor(min(wanted, affordable) / one.lot * (1.0 + 1e-12)) * one.lot)


@kernel
def leaving_of(candidates: Records, active: Ints, count: int, slot: int, t: int) -> int:
    """Return how many positions of a symbol are known to leave at the next open."""
    leaving = 0
    for k in range(count):
        one = candidates[active[k]]
        if one.slot == slot and one.leaves_from <= t:
            leaving += 1
    return leaving


@kernel
def carry(
    candidates: Records,
    active: Ints,
    count: int,
    t: int,
    gone_ts: int,
    seen: Ints,
    marks: Floats,
    mark_rates: Floats,
    held: Ints,
    step: Any,
) -> Any:
    """Fill and mark the positions of instant t; return how many stay, how many of those are known
    to leave, what was realised, and what is not yet.

    `step` is given what is held, tied up and traded. `seen`: the time of each symbol's last bar;
    before `gone_ts` it has left.
    """
    kept, leaving, realised, unrealised = 0, 0, 0.0, 0.0
    for k in range(count):
        one = candidates[active[k]]
        size = one.quantity * one.unit_value * mark_rates[one.slot]
        if one.entry_at == t:
            realised -= size * one.entry_cost
            step.traded += size * one.entry_price
            one.pnl_net -= size * one.entry_cost
        if one.exit_at == t:
            gross = size * one.side * (one.exit_price - one.entry_price)
            cost = size * one.exit_cost
            realised += gross - cost
            step.traded += size * one.exit_price
            one.pnl_gross += gross
            one.pnl_net += gross - cost
            held[one.slot] -= 1
            continue
        active[kept] = active[k]
        kept += 1
        mark = marks[one.slot]
        is_gone = seen[one.slot] < gone_ts
        if one.entry_at <= t:
            unrealised += size * one.side * (mark - one.entry_price)
            step.gross_exposure += 0.0 if is_gone else size * mark
        if is_gone or one.leaves_from <= t:
            leaving += 1
        else:
            step.tied_up += size * mark * one.margin
    return kept, leaving, realised, unrealised


@kernel
def refusal_of(one: Any, rate: float, is_held: bool, is_full: bool) -> int:
    """Return why a signal gets no position whatever the capital, or TAKEN."""
    if not abs(one.price - one.stop) > 0.0:
        return NO_STOP
    if not rate > 0.0:
        return NO_RATE
    if is_held:
        return SYMBOL_HELD
    return NO_SLOT if is_full else TAKEN


@kernel
def take(
    one: Any, equity: float, tied_up: float, rate: float, risk_per_trade: float, leverage: float
) -> float:
    """Give a signal that has found a slot its quantity and fate; return what it ties up."""
    if equity <= 0.0:
        one.fate = NO_CAPITAL
        return 0.0
    room = equity * leverage - tied_up
    unit = one.price * one.unit_value * rate * one.margin
    quantity = quantity_of(one, equity, room, rate, risk_per_trade)
    if quantity > 0.0:
        one.quantity = quantity
        one.fate = TAKEN
        return float(quantity * unit)
    one.fate = TOO_SMALL if room >= unit * one.lot else NO_CAPITAL
    return 0.0


@kernel
def run_portfolio(
    candidates: Records,
    row_starts: Ints,
    rows: Ints,
    instants: Ints,
    slots: Ints,
    closes: Floats,
    rates: Floats,
    initial_capital: float,
    risk_per_trade: float,
    max_positions: int,
    max_leverage: float,
    one_per_symbol: bool,
    marks: Floats,
    mark_rates: Floats,
    seen: Ints,
    held: Ints,
    active: Ints,
    steps: Records,
) -> None:
    """Walk through the instants; write each candidate's fate and each instant's account.

    `candidates` by signal's instant, then priority. `rows[row_starts[t] : row_starts[t + 1]]` are
    the bars of instant t; `slots`, `closes`, `rates` by row. `marks`, `mark_rates`, `seen`, `held`
    have room for every symbol, `active` for every candidate; `steps` is zero.
    """
    cash = initial_capital
    count, upcoming = 0, 0
    for t in range(len(row_starts) - 1):
        for k in range(row_starts[t], row_starts[t + 1]):
            row = rows[k]
            marks[slots[row]] = closes[row]
            mark_rates[slots[row]] = rates[row]
            seen[slots[row]] = instants[t]
        step = steps[t]
        count, leaving, realised, unrealised = carry(
            candidates,
            active,
            count,
            t,
            instants[t] - GONE_NS,
            seen,
            marks,
            mark_rates,
            held,
            step,
        )
        cash += realised
        step.equity = cash + unrealised
        while upcoming < len(candidates) and candidates[upcoming].signal_at == t:
            one = candidates[upcoming]
            rate = mark_rates[one.slot]
            staying = held[one.slot]
            if staying > 0:
                staying -= leaving_of(candidates, active, count, one.slot, t)
            if one.fate != REJECTED:
                one.fate = refusal_of(
                    one, rate, one_per_symbol and staying > 0, count - leaving >= max_positions
                )
            if one.fate == TAKEN:
                step.tied_up += take(
                    one, step.equity, step.tied_up, rate, risk_per_trade, max_leverage
                )
            if one.fate == TAKEN:
                held[one.slot] += 1
                active[count] = upcoming
                count += 1
            upcoming += 1
        step.positions = count - leaving


_SOURCE = '''"""The portfolio's loop, as a call from Python."""

import numba

from engine.backtests import portfolio_kernels as kernels

INT, FLOAT, BOOL = numba.int64, numba.float64, numba.boolean
INTS, FLOATS = INT[::1], FLOAT[::1]
CANDIDATES = numba.from_dtype(kernels.CANDIDATE)[::1]
STEPS = numba.from_dtype(kernels.STEP)[::1]


@numba.njit(
    numba.void(
        *(CANDIDATES, INTS, INTS, INTS, INTS, FLOATS, FLOATS, FLOAT, FLOAT, INT, FLOAT, BOOL),
        *(FLOATS, FLOATS, INTS, INTS, INTS, STEPS),
    ),
    cache=True,
    error_model="numpy",
    nogil=True,
)
def run_portfolio(
    candidates, starts, rows, instants, slots, closes, rates, capital, risk, positions, leverage,
    one, marks, mark_rates, seen, held, active, steps,
):
    kernels.run_portfolio(
        candidates, starts, rows, instants, slots, closes, rates, capital, risk, positions,
        leverage, one, marks, mark_rates, seen, held, active, steps,
    )
'''


@lru_cache(maxsize=1)
def load_portfolio_kernels() -> ModuleType:
    """Return the compiled module: `run_portfolio`."""
    return load_compiled("portfolio", _SOURCE, (sys.modules[__name__],))
