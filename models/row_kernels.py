"""A model's row in one compiled call: picked from the served vector, checked, measured.

The sums are numpy's own, bit for bit: the training side measures its rows with numpy, and a row
at the very limit must fall on the same side.
"""

from functools import lru_cache
from types import ModuleType

from models.compiled import load_compiled

FITS, NOT_FINITE, FAR_OUT = 0, 1, 2

_SOURCE = '''"""A model's row: picked, checked and measured, as calls from Python."""

import numba
import numpy as np
from numba import types

FLOAT, INT = types.float64, types.int64
VECTOR = types.Array(types.float32, 1, "A", readonly=True)
PLACES = types.Array(types.intp, 1, "C", readonly=True)
ROW, Z = types.float32[::1], types.float64[::1]
BLOCK = 128


def compiled(returns, *arguments):
    return numba.njit(returns(*arguments), cache=True, error_model="numpy", fastmath=False)


@compiled(FLOAT, Z, INT, INT)
def total(z, start, count):
    # As numpy adds: eight sums side by side, and halves of what is longer than a block.
    if count < 8:
        result = -0.0
        for i in range(count):
            result += z[start + i]
        return result
    if count > BLOCK:
        half = count // 2
        half -= half % 8
        return total(z, start, half) + total(z, start + half, count - half)
    a, b, c, d = z[start], z[start + 1], z[start + 2], z[start + 3]
    e, f, g, h = z[start + 4], z[start + 5], z[start + 6], z[start + 7]
    whole = count - count % 8
    for i in range(start + 8, start + whole, 8):
        a += z[i]
        b += z[i + 1]
        c += z[i + 2]
        d += z[i + 3]
        e += z[i + 4]
        f += z[i + 5]
        g += z[i + 6]
        h += z[i + 7]
    result = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(start + whole, start + count):
        result += z[i]
    return result


@compiled(FLOAT, VECTOR, Z, Z, Z, FLOAT, FLOAT)
def distance(row, center, per_scale, z, peak_limit, spread_limit):
    peak = 0.0
    for i in range(len(z)):
        value = abs((np.float64(row[i]) - center[i]) * per_scale[i])
        z[i] = value
        # A NaN stays.
        if not value <= peak and peak == peak:
            peak = value
    return max(peak / peak_limit, (total(z, 0, len(z)) + 0.0) / len(z) / spread_limit)


@compiled(INT, VECTOR, PLACES, ROW, Z, Z, Z, FLOAT, FLOAT)
def serve(vector, places, row, center, per_scale, z, peak_limit, spread_limit):
    last = len(vector) - 1
    is_finite = True
    for i in range(len(row)):
        value = vector[min(places[i], last)]
        row[i] = value
        is_finite &= abs(value) < np.inf
    if not is_finite:
        return 1
    if len(z) > 0 and not distance(row, center, per_scale, z, peak_limit, spread_limit) <= 1.0:
        return 2
    return 0
'''


@lru_cache(maxsize=1)
def load_row_kernels() -> ModuleType:
    """Return the compiled module with `distance` and `serve`.

    `distance(row, center, per_scale, z, peak_limit, spread_limit)`: how far out a row is, see
    `models.input_guard`. `serve(vector, places, row, *guard)`: writes `vector` at `places` into
    `row`; returns FITS, NOT_FINITE or, with a guard (`z` not empty), FAR_OUT.
    """
    return load_compiled("rows", _SOURCE, ())
