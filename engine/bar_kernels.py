"""The bar book's compiled loops: rings of recent bars by slot, and which new bars count.

Slot s keeps its last AS_OF_BARS_MAX bars, the n-th bar ever seen at n % AS_OF_BARS_MAX.
"""

import sys
from functools import lru_cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from models import kernel as kernels
from models.compiled import load_compiled
from models.kernel import kernel

AS_OF_BARS_MAX = 128
BAR_VALUES = 5

WAITS, TOO_LATE, NO_BAR = -1, -2, -3

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def is_price(value: float) -> bool:
    """Whether a value is finite and above zero."""
    return 0.0 < value < np.inf


@kernel
def is_valid(ts: int, open_: float, high: float, low: float, close: float, volume: float) -> bool:
    """Whether `streams.validation.check_bar` would let such a bar pass."""
    prices = is_price(open_) and is_price(high) and is_price(low) and is_price(close)
    ordered = low <= open_ and open_ <= high and low <= close and close <= high
    return ts > 0 and prices and ordered and 0.0 <= volume < np.inf


@kernel
def take_bar(
    counts: Ints,
    last_ts: Ints,
    ring_ts: NDArray[np.int64],
    ring_values: Floats,
    slot: int,
    ts: int,
    open_: float,
    high: float,
    low: float,
    close: float,
    volume: float,
) -> bool:
    """Store a bar that is valid and later than its slot's last; return whether it was."""
    if slot < 0 or slot >= len(counts) or ts <= last_ts[slot]:
        return False
    if not is_valid(ts, open_, high, low, close, volume):
        return False
    position = counts[slot] % AS_OF_BARS_MAX
    ring_ts[slot, position] = ts
    values = ring_values[slot, position]
    values[0] = open_
    values[1] = high
    values[2] = low
    values[3] = close
    values[4] = volume
    counts[slot] += 1
    last_ts[slot] = ts
    return True


@kernel
def take_rows(
    counts: Ints,
    last_ts: Ints,
    ring_ts: NDArray[np.int64],
    ring_values: Floats,
    slots: Ints,
    ts: Ints,
    values: Floats,
    start: int,
    places: Ints,
) -> int:
    """Store the rows from `start` on up to the first that `take_bar` refuses; return its number.

    `places` gets each stored row's place in the rings of all slots laid end to end.
    """
    for i in range(start, len(slots)):
        bar = values[i]
        slot = slots[i]
        if not take_bar(
            counts,
            last_ts,
            ring_ts,
            ring_values,
            slot,
            ts[i],
            bar[0],
            bar[1],
            bar[2],
            bar[3],
            bar[4],
        ):
            return i
        places[i] = slot * AS_OF_BARS_MAX + (counts[slot] - 1) % AS_OF_BARS_MAX
    return len(slots)


@kernel
def find_bar(counts: Ints, ring_ts: NDArray[np.int64], slot: int, ts: int) -> int:
    """Return the ring position of the bar that closed at `ts`, or WAITS, TOO_LATE or NO_BAR."""
    count = counts[slot]
    if count == 0 or ts > ring_ts[slot, (count - 1) % AS_OF_BARS_MAX]:
        return WAITS
    oldest = max(count - AS_OF_BARS_MAX, 0)
    if ts < ring_ts[slot, oldest % AS_OF_BARS_MAX]:
        return TOO_LATE if oldest > 0 else NO_BAR
    low, high = oldest, count - 1
    while low < high:
        middle = (low + high) // 2
        if ring_ts[slot, middle % AS_OF_BARS_MAX] < ts:
            low = middle + 1
        else:
            high = middle
    position = low % AS_OF_BARS_MAX
    return position if ring_ts[slot, position] == ts else NO_BAR


_SOURCE = '''"""The bar book's loops, as calls from Python."""

import numba

from engine import bar_kernels

INT, FLOAT = numba.int64, numba.float64
INTS, RING = numba.int64[::1], numba.int64[:, ::1]
VALUES, RING_VALUES = numba.float64[:, ::1], numba.float64[:, :, ::1]


def compiled(function, returns, *arguments):
    options = {"cache": True, "error_model": "numpy"}
    return numba.njit(returns(*arguments), **options)(function)


def _bar(n, t, r, v, slot, ts, o, h, l, c, u):
    return bar_kernels.take_bar(n, t, r, v, slot, ts, o, h, l, c, u)


def _rows(n, t, r, v, slots, ts, values, start, places):
    return bar_kernels.take_rows(n, t, r, v, slots, ts, values, start, places)


def _find(n, r, slot, ts):
    return bar_kernels.find_bar(n, r, slot, ts)


take_bar = compiled(
    _bar, numba.boolean, INTS, INTS, RING, RING_VALUES, INT, INT, *(FLOAT,) * 5
)
take_rows = compiled(
    _rows, INT, INTS, INTS, RING, RING_VALUES, INTS, INTS, VALUES, INT, INTS
)
find_bar = compiled(_find, INT, INTS, RING, INT, INT)
'''


@lru_cache(maxsize=1)
def load_bar_kernels() -> ModuleType:
    """Return the compiled module with `take_bar`, `take_rows` and `find_bar`."""
    return load_compiled("bars", _SOURCE, (sys.modules[__name__], kernels))
