"""The labeller's compiled loops: rings of bars with exit flags, and trades walked over them.

Every series has a home: row h of `series`, and ring h with its last RING_BARS bars, the n-th bar
ever seen at n % RING_BARS. `epoch` counts the resets before a bar: no trade and no true range
reaches across one. All trades lie in one pool; those open on a series are linked from its first
to its last, in order of entry, by row numbers. Row 0 of the pool is the desk on which a trade is
made out; from there starts the chain of free rows as well, so that 0 ends every chain.
"""

import sys
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import indicators, trade
from engine.indicators import ATR_BARS, true_range
from engine.trade import TRADE, advance, pend
from models import kernel as kernels
from models.compiled import load_compiled
from models.kernel import kernel

RING_BARS = 512
DESK = 0

HAS_CLOSED, WAITS, BEYOND_RING, NO_BAR, NO_RISK, NO_ROOM, WAS_RESET = 0, -1, -2, -3, -4, -5, -6
"""What became of a signal that was placed; above 0 it is the row of its open trade."""

RING_BAR = np.dtype(
    [
        ("ts", np.int64),
        ("epoch", np.int64),
        ("exit_long", np.int64),
        ("exit_short", np.int64),
        ("open", np.float64),
        ("high", np.float64),
        ("low", np.float64),
        ("close", np.float64),
        ("atr", np.float64),
    ]
)
"""A bar in a ring. Exit flags hold one bit per labelling rule; `atr` is ATR(14) as of it."""

SERIES = np.dtype(
    [
        ("count", np.int64),
        ("epoch", np.int64),
        ("epoch_bars", np.int64),
        ("evicted_ts", np.int64),
        ("first", np.int64),
        ("last", np.int64),
        ("close", np.float64),
        ("true_ranges", np.float64, (ATR_BARS,)),
    ]
)
"""A series: bars seen, in all and in this epoch; the newest ts that its ring has lost; the rows of
its first and last open trade; its last close and, n-th bar of the epoch at n % ATR_BARS, the last
true ranges."""

POOLED = np.dtype([*TRADE.descr, ("after", np.int64)])
"""A TRADE and the row of the next in its chain."""

Rings = NDArray[np.void]
Series = NDArray[np.void]
Pool = NDArray[np.void]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@kernel
def atr_with(one: Any, high: float, low: float, close: float) -> float:
    """Take the next bar's true range into a series; return ATR(14) as of that bar.

    As `engine.indicators.average_true_range`, summed oldest first.
    """
    number = one.epoch_bars
    ranges = one.true_ranges
    newest = true_range(high, low, one.close) if number > 0 else high - low
    ranges[number % ATR_BARS] = newest
    known = min(number + 1, ATR_BARS)
    total = 0.0
    for i in range(number + 1 - known, number + 1):
        total += ranges[i % ATR_BARS]
    one.close = close
    one.epoch_bars = number + 1
    return float(total / known)


@kernel
def advance_over(record: Any, bar: Any) -> bool:
    """Advance one trade by one bar of a ring."""
    flags = bar.exit_long if record.side > 0 else bar.exit_short
    exit_flag = record.rule >= 0 and (flags >> record.rule) & 1 == 1
    return bool(advance(record, bar.ts, bar.open, bar.high, bar.low, bar.close, exit_flag))


@kernel
def advance_open(pool: Pool, one: Any, bar: Any, closed: Ints, count: int) -> int:
    """Advance the open trades of a series by its newest bar.

    Rows of those that it closes are written to `closed` from `count` on, and are free: what they
    hold is good until the next trade is placed. Returns how many `closed` holds then.
    """
    before = 0
    row = one.first
    while row > 0:
        record = pool[row]
        after = record.after
        if advance_over(record, bar):
            if before > 0:
                pool[before].after = after
            else:
                one.first = after
            if after == 0:
                one.last = before
            record.after = pool[DESK].after
            pool[DESK].after = row
            closed[count] = row
            count += 1
        else:
            before = row
        row = after
    return count


@kernel
def push_rows(
    rings: Rings,
    series: Series,
    pool: Pool,
    homes: Ints,
    slots: Ints,
    ts: Ints,
    values: Floats,
    exits: Ints,
    start: int,
    stop: int,
    closed: Ints,
) -> int:
    """Take rows `start` to `stop` of an event's bars; return how many trades they closed.

    `homes` says where the series of a slot lives, -1 for nowhere; `exits` int64 (n, 2) holds the
    flags of longs and shorts. Rows of closed trades come in order of bar, then of entry.
    """
    count = 0
    for i in range(start, stop):
        home = homes[slots[i]]
        if home < 0:
            continue
        one = series[home]
        number = one.count
        bar = rings[home, number % RING_BARS]
        if number >= RING_BARS:
            one.evicted_ts = max(one.evicted_ts, bar.ts)
        bar.ts = ts[i]
        bar.epoch = one.epoch
        bar.exit_long = exits[i, 0]
        bar.exit_short = exits[i, 1]
        bar.open = values[i, 0]
        bar.high = values[i, 1]
        bar.low = values[i, 2]
        bar.close = values[i, 3]
        bar.atr = atr_with(one, bar.high, bar.low, bar.close)
        one.count = number + 1
        count = advance_open(pool, one, bar, closed, count)
    return count


@kernel
def find_bar(rings: Rings, home: int, one: Any, ts: int) -> int:
    """Return the number of the first bar kept, in order of arrival, at or after `ts`; -1: none."""
    count = one.count
    low = max(count - RING_BARS, 0)
    if count - one.epoch_bars > low:
        # Bars from before a reset may be later than those behind it.
        for i in range(low, count):
            if rings[home, i % RING_BARS].ts >= ts:
                return i
        return -1
    high = count
    while low < high:
        middle = (low + high) // 2
        if rings[home, middle % RING_BARS].ts < ts:
            low = middle + 1
        else:
            high = middle
    return low if low < count else -1


@kernel
def walk(rings: Rings, home: int, one: Any, number: int, record: Any) -> int:
    """Advance a new trade over the bars after its signal's; above 0: it is open still."""
    epoch = rings[home, number % RING_BARS].epoch
    for i in range(number + 1, one.count):
        bar = rings[home, i % RING_BARS]
        if bar.epoch != epoch:
            return WAS_RESET
        if advance_over(record, bar):
            return HAS_CLOSED
    return 1 if epoch == one.epoch else WAS_RESET


@kernel
def keep(pool: Pool, one: Any) -> int:
    """Move the trade on the desk to a free row, last among the open ones; return that row."""
    row = pool[DESK].after
    free = pool[row].after
    pool[row] = pool[DESK]
    pool[row].after = 0
    pool[DESK].after = free
    if one.last > 0:
        pool[one.last].after = row
    else:
        one.first = row
    one.last = row
    return int(row)


@kernel
def place(
    rings: Rings,
    series: Series,
    pool: Pool,
    home: int,
    ts: int,
    side: int,
    price: float,
    stop: float,
    has_stop: bool,
    rule: int,
    target_r: float,
    max_hold_bars: int,
    stop_atr_mult: float,
    has_room: bool,
) -> int:
    """Enter the trade of a signal made at `ts` and walk it to the newest bar of its series.

    Returns what became of it. From NO_RISK on its bar is known, and the desk has its stop.
    """
    one = series[home]
    if ts <= one.evicted_ts:
        return BEYOND_RING
    number = find_bar(rings, home, one, ts)
    if number < 0:
        return WAITS
    bar = rings[home, number % RING_BARS]
    if bar.ts != ts:
        return NO_BAR
    record = pool[DESK]
    if not has_stop:
        stop = price - side * stop_atr_mult * bar.atr
    pend(record, side, price, stop, target_r, max_hold_bars, rule)
    if not has_stop and bar.atr <= 0.0:
        return NO_RISK
    if not has_room:
        return NO_ROOM
    state = walk(rings, home, one, number, record)
    return keep(pool, one) if state > 0 else state


@kernel
def reset(series: Series, pool: Pool, home: int, dropped: Ints) -> int:
    """Begin a new epoch; write the rows of the trades that it drops, return how many."""
    one = series[home]
    one.epoch += 1
    one.epoch_bars = 0
    count = 0
    row = one.first
    while row > 0:
        dropped[count] = row
        count += 1
        after = pool[row].after
        pool[row].after = pool[DESK].after
        pool[DESK].after = row
        row = after
    one.first = 0
    one.last = 0
    return count


@kernel
def cover(homes: Ints, slots: Ints, rows: Ints, covered: Ints) -> int:
    """Write the numbers of the rows whose slot has a home, and those homes; return how many."""
    count = 0
    for i in range(len(slots)):
        home = homes[slots[i]]
        if home >= 0:
            rows[count] = i
            covered[count] = home
            count += 1
    return count


@kernel
def mark_exits(rows: Ints, decisions: Floats, bit: int, exits: Ints) -> None:
    """Set a rule's bit in the exit flags of `rows`, where its decisions say so."""
    for i in range(len(rows)):
        if decisions[i, 3] > 0.0:
            exits[rows[i], 0] |= 1 << bit
        if decisions[i, 4] > 0.0:
            exits[rows[i], 1] |= 1 << bit


_SOURCE = '''"""The labeller's loops, as calls from Python."""

import numba

from engine.labels import label_kernels as kernels

INT, FLOAT, BOOL = numba.int64, numba.float64, numba.boolean
RINGS = numba.from_dtype(kernels.RING_BAR)[:, ::1]
SERIES, POOL = numba.from_dtype(kernels.SERIES)[::1], numba.from_dtype(kernels.POOLED)[::1]
INTS, PAIRS, ROWS = numba.int64[::1], numba.int64[:, ::1], numba.float64[:, ::1]


def compiled(function, returns, *arguments):
    options = {"cache": True, "error_model": "numpy"}
    return numba.njit(returns(*arguments), **options)(function)


def _push(rings, series, pool, homes, slots, ts, values, exits, start, stop, closed):
    return kernels.push_rows(
        rings, series, pool, homes, slots, ts, values, exits, start, stop, closed
    )


def _place(r, s, p, home, ts, side, price, stop, has_stop, rule, target, hold, atrs, has_room):
    return kernels.place(
        r, s, p, home, ts, side, price, stop, has_stop, rule, target, hold, atrs, has_room
    )


def _reset(series, pool, home, dropped):
    return kernels.reset(series, pool, home, dropped)


def _cover(homes, slots, rows, covered):
    return kernels.cover(homes, slots, rows, covered)


def _mark(rows, decisions, bit, exits):
    kernels.mark_exits(rows, decisions, bit, exits)


push_rows = compiled(
    _push, INT, RINGS, SERIES, POOL, INTS, INTS, INTS, ROWS, PAIRS, INT, INT, INTS
)
place = compiled(
    *(_place, INT, RINGS, SERIES, POOL, INT, INT, INT),
    *(FLOAT, FLOAT, BOOL, INT, FLOAT, INT, FLOAT, BOOL),
)
reset = compiled(_reset, INT, SERIES, POOL, INT, INTS)
cover = compiled(_cover, INT, INTS, INTS, INTS, INTS)
mark_exits = compiled(_mark, numba.void, INTS, ROWS, INT, PAIRS)
'''


@lru_cache(maxsize=1)
def load_label_kernels() -> ModuleType:
    """Return the compiled module: `push_rows`, `place`, `reset`, `cover` and `mark_exits`."""
    return load_compiled("labels", _SOURCE, (sys.modules[__name__], trade, indicators, kernels))
