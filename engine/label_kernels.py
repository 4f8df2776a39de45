"""The labeller's compiled loops: a ring of bars with exit flags, and trades walked over it.

A ring holds the last RING_BARS bars of one series, the n-th bar ever seen at n % RING_BARS.
`epoch` counts the resets before a bar: no trade and no true range reaches across one.
"""

import sys
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import indicators, trade
from engine.indicators import ATR_BARS, true_range
from engine.trade import CLOSED, advance
from models import kernel as kernels
from models.compiled import load_compiled
from models.kernel import kernel

RING_BARS = 512

STILL_OPEN, HAS_CLOSED, WAS_RESET = 0, 1, 2

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
        ("true_range", np.float64),
        ("atr", np.float64),
    ]
)
"""A bar in the ring. Exit flags hold one bit per labelling rule; `atr` is ATR(14) as of it."""

Ring = NDArray[np.void]


@kernel
def write_bar(
    ring: Any, count: int, epoch: int, ts: int, open_: float, high: float, low: float, close: float
) -> None:
    """Store bar number `count` with its ATR(14): as `engine.indicators.average_true_range`."""
    bar = ring[count % RING_BARS]
    bar.ts = ts
    bar.epoch = epoch
    bar.open = open_
    bar.high = high
    bar.low = low
    bar.close = close
    known = 1
    while known < ATR_BARS and known <= count:
        if ring[(count - known) % RING_BARS].epoch != epoch:
            break
        known += 1
    before = ring[(count - 1) % RING_BARS]
    has_before = count > 0 and before.epoch == epoch
    bar.true_range = true_range(high, low, before.close) if has_before else high - low
    total = 0.0
    for i in range(count - known + 1, count + 1):
        total += ring[i % RING_BARS].true_range
    bar.atr = total / known


@kernel
def advance_over(record: Any, bar: Any) -> bool:
    """Advance one trade by one bar of the ring."""
    flags = bar.exit_long if record.side > 0 else bar.exit_short
    exit_flag = record.rule >= 0 and (flags >> record.rule) & 1 == 1
    return bool(advance(record, bar.ts, bar.open, bar.high, bar.low, bar.close, exit_flag))


@kernel
def push_bar(
    ring: Any,
    count: int,
    epoch: int,
    ts: int,
    open_: float,
    high: float,
    low: float,
    close: float,
    exit_long: int,
    exit_short: int,
    trades: Any,
    trades_open: int,
) -> int:
    """Store a bar and advance every open trade by it; returns how many closed."""
    write_bar(ring, count, epoch, ts, open_, high, low, close)
    bar = ring[count % RING_BARS]
    bar.exit_long = exit_long
    bar.exit_short = exit_short
    closed = 0
    for i in range(trades_open):
        record = trades[i]
        if record.state != CLOSED and advance_over(record, bar):
            closed += 1
    return closed


@kernel
def find_bar(ring: Any, count: int, ts: int) -> int:
    """Return the number of the first bar kept that closed at or after `ts`, -1 for none."""
    for i in range(max(count - RING_BARS, 0), count):
        if ring[i % RING_BARS].ts >= ts:
            return i
    return -1


@kernel
def walk(ring: Any, count: int, signal_bar: int, trades: Any, slot: int) -> int:
    """Advance a new trade over the bars after its signal's; returns what became of it."""
    record = trades[slot]
    epoch = ring[signal_bar % RING_BARS].epoch
    for i in range(signal_bar + 1, count):
        bar = ring[i % RING_BARS]
        if bar.epoch != epoch:
            return WAS_RESET
        if advance_over(record, bar):
            return HAS_CLOSED
    return STILL_OPEN


_SOURCE = '''"""The labeller's loops, as calls from Python."""

import numba

from engine import label_kernels
from engine.trade import TRADE

RING = numba.from_dtype(label_kernels.RING_BAR)[::1]
TRADES = numba.from_dtype(TRADE)[::1]
INT, FLOAT = numba.int64, numba.float64


def compiled(function, *arguments):
    options = {"cache": True, "error_model": "numpy"}
    return numba.njit(INT(*arguments), **options)(function)


def _push(r, n, e, t, o, h, l, c, xl, xs, k, m):
    return label_kernels.push_bar(r, n, e, t, o, h, l, c, xl, xs, k, m)


def _find(ring, count, ts):
    return label_kernels.find_bar(ring, count, ts)


def _walk(ring, count, signal_bar, trades, slot):
    return label_kernels.walk(ring, count, signal_bar, trades, slot)


push_bar = compiled(
    _push, RING, INT, INT, INT, FLOAT, FLOAT, FLOAT, FLOAT, INT, INT, TRADES, INT
)
find_bar = compiled(_find, RING, INT, INT)
walk = compiled(_walk, RING, INT, INT, TRADES, INT)
'''


@lru_cache(maxsize=1)
def load_label_kernels() -> ModuleType:
    """Return the compiled module with `push_bar`, `find_bar` and `walk`."""
    return load_compiled("labels", _SOURCE, (sys.modules[__name__], trade, indicators, kernels))
