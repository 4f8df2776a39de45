"""The texts of the modules that are composed of a strategy's kernels: see `engine.strategy`.

Each is compiled when it is first asked for: `update` (one bar), `update_many` (the loop over bars),
`run` (the live path) and `indicators`, so that nobody waits for what he does not use.
"""

UPDATE = '''"""The composed update of strategy {name}."""

import numba
import numpy as np

from engine.indicators import measure_entry
from engine.strategies.{name} import step
from models.history import HISTORY_SIZE, push
from models.kernel import borrowed

ROW = "float64[:, ::1]"
BAR = "float64, float64, float64, float64, float64"


@numba.njit(
    f"void({{ROW}}, int64, int64, {{BAR}}, float64[::1], float64[::1])",
    cache=True,
    error_model="numpy",
)
def update(states, slot, ts, open_, high, low, close, volume, params, out):
    state = borrowed(states[slot])
    history = push(state[:HISTORY_SIZE], ts, open_, high, low, close, volume)
    out[:] = 0.0
    out[2] = np.nan
    out[5] = np.nan
    step(state[HISTORY_SIZE:], history, params, out)
    measure_entry(history, out)
'''

UPDATE_MANY = '''"""The composed update of strategy {name}, over many bars."""

import numba
import numpy as np

from engine.indicators import measure_entry
from engine.strategies.{name} import step
from models.history import HISTORY_SIZE, push
from models.kernel import borrowed

ROW = "float64[:, ::1]"


@numba.njit(
    f"void({{ROW}}, int64[::1], int64[::1], {{ROW}}, float64[::1], {{ROW}})",
    cache=True,
    error_model="numpy",
    nogil=True,
)
def update_many(states, slots, ts, bars, params, out):
    for i in range(len(slots)):
        bar = bars[i]
        state = borrowed(states[slots[i]])
        history = push(state[:HISTORY_SIZE], ts[i], bar[0], bar[1], bar[2], bar[3], bar[4])
        decision = out[i]
        decision[:] = 0.0
        decision[2] = np.nan
        decision[5] = np.nan
        step(state[HISTORY_SIZE:], history, params, decision)
        measure_entry(history, decision)
'''

RUN = '''"""The composed run of strategy {name}."""

import numba
import numpy as np

from engine.indicators import measure_entry
from engine.strategies.{name} import step
from engine.trade import TRADE
from engine.virtual_positions import enter, hold_on
from models.history import HISTORY_SIZE, push
from models.kernel import borrowed

INT, FLOAT, INTS = numba.int64, numba.float64, numba.int64[::1]
ROWS, TRADES, FLAGS = numba.float64[:, ::1], numba.from_dtype(TRADE)[::1], numba.boolean[::1]


@numba.njit(
    INT(
        *(ROWS, TRADES, FLAGS, INTS, INTS, INTS, ROWS, FLOAT[::1]),
        *(numba.boolean, INT, FLOAT, INTS, ROWS),
    ),
    cache=True,
    error_model="numpy",
)
def run(
    states,
    trades,
    held,
    homes,
    slots,
    ts,
    values,
    params,
    is_overlapping,
    max_hold_bars,
    stop_atr_mult,
    out_rows,
    out,
):
    count = 0
    for i in range(len(slots)):
        slot = homes[slots[i]]
        if slot < 0:
            continue
        bar = values[i]
        state = borrowed(states[slot])
        history = push(state[:HISTORY_SIZE], ts[i], bar[0], bar[1], bar[2], bar[3], bar[4])
        # Row `count` is free: it is kept only if this bar signals.
        decision = out[count]
        decision[:] = 0.0
        decision[2] = np.nan
        step(state[HISTORY_SIZE:], history, params, decision)
        measure_entry(history, decision)
        is_flat = hold_on(trades, held, slot, ts[i], bar, decision[3], decision[4])
        side = decision[0]
        if side == 0.0 or not (is_flat or is_overlapping):
            continue
        close = bar[3]
        stop = decision[2]
        if not (stop > 0.0 and stop < np.inf and side * (close - stop) > 0.0):
            decision[2] = np.nan
            stop = close - side * stop_atr_mult * decision[5]
        if decision[1] < 0.0:
            decision[1] = 0.0
        elif decision[1] > 1.0:
            decision[1] = 1.0
        if is_flat:
            enter(trades, held, slot, int(side), close, stop, max_hold_bars)
        out_rows[count] = i
        count += 1
    return count
'''

INDICATORS = '''"""The composed indicators of strategy {name}."""

import numba
import numpy as np

from engine.indicators import measure_entry
from engine.strategies.{name} import indicators, step
from models.history import HISTORY_SIZE, push
from models.kernel import borrowed

ROW = "float64[:, ::1]"


@numba.njit(
    f"void({{ROW}}, int64[::1], int64[::1], {{ROW}}, float64[::1], {{ROW}}, {{ROW}})",
    cache=True,
    error_model="numpy",
)
def indicators_many(states, slots, ts, bars, params, decisions, out):
    for i in range(len(slots)):
        bar = bars[i]
        state = borrowed(states[slots[i]])
        history = push(state[:HISTORY_SIZE], ts[i], bar[0], bar[1], bar[2], bar[3], bar[4])
        decision = decisions[i]
        decision[:] = 0.0
        decision[2] = np.nan
        decision[5] = np.nan
        step(state[HISTORY_SIZE:], history, params, decision)
        measure_entry(history, decision)
        values = out[i]
        values[:] = np.nan
        indicators(state[HISTORY_SIZE:], history, params, values)
'''
