"""A strategy: one file under `engine/strategies/`, found by its name, composed and compiled.

The file holds `Params` (a frozen msgspec Struct with defaults, ranges and `max_hold_bars`),
`STATE_SIZE` (float64s of its own state) and a kernel

    step(state, history, params, out) -> None

that looks at the history, moves its state and writes its decision of this close:

    out[0] entry side: 1, -1, or 0 for none      out[3] 1.0: longs should leave at the next open
    out[1] technical score in [0, 1]             out[4] 1.0: shorts should
    out[2] stop price, NaN for none

`out` arrives as (0, 0, NaN, 0, 0). A strategy knows nothing of positions.
"""

import importlib
import pkgutil
from functools import lru_cache
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine import strategies
from engine.settings import EXTERNAL
from models.compiled import drawn_from, load_compiled
from models.history import HISTORY_SIZE
from streams.errors import ConfigError
from streams.strict import decode_strict, nearest

ENTRY_SIDE, SCORE, STOP_PRICE, EXIT_LONG, EXIT_SHORT, ATR = range(6)
DECISION_SIZE = 6

LENT = ("models.history", "engine.indicators", "engine.virtual_positions")
"""Modules of ours that every composed strategy draws on, beside its own file."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SOURCE = '''"""The composed update of strategy {name}."""

import numba
import numpy as np

from engine.indicators import average_true_range
from engine.strategies.{name} import step
from engine.trade import TRADE
from engine.virtual_positions import enter, hold_on
from models.history import HISTORY_SIZE, push
from models.kernel import borrowed

ROW = "float64[:, ::1]"
BAR = "float64, float64, float64, float64, float64"
INT, FLOAT, INTS = numba.int64, numba.float64, numba.int64[::1]
ROWS, TRADES, FLAGS = numba.float64[:, ::1], numba.from_dtype(TRADE)[::1], numba.boolean[::1]


@numba.njit(
    f"void({{ROW}}, int64, int64, {{BAR}}, float64[::1], float64[::1])",
    cache=True,
    error_model="numpy",
)
def update(states, slot, ts, open_, high, low, close, volume, params, out):
    state = states[slot]
    history = push(state[:HISTORY_SIZE], ts, open_, high, low, close, volume)
    out[:] = 0.0
    out[2] = np.nan
    step(state[HISTORY_SIZE:], history, params, out)
    out[5] = average_true_range(history)


@numba.njit(
    f"void({{ROW}}, int64[::1], int64[::1], {{ROW}}, float64[::1], {{ROW}})",
    cache=True,
    error_model="numpy",
)
def update_many(states, slots, ts, bars, params, out):
    for i in range(len(slots)):
        bar = bars[i]
        update(
            states, slots[i], ts[i], bar[0], bar[1], bar[2], bar[3], bar[4], params, out[i]
        )


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
        is_flat = hold_on(trades, held, slot, ts[i], bar, decision[3], decision[4])
        side = decision[0]
        if side == 0.0 or not (is_flat or is_overlapping):
            continue
        close = bar[3]
        stop = decision[2]
        if not (stop > 0.0 and stop < np.inf and side * (close - stop) > 0.0):
            decision[2] = np.nan
            stop = close - side * stop_atr_mult * average_true_range(history)
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


class Strategy:
    """A compiled strategy; stateless itself, `states` rows hold all there is to know.

    `update` and `update_many` are one step and its loop: the same function, so live, replay
    and research cannot disagree.
    """

    def __init__(self, name: str, module: ModuleType) -> None:
        self.name = name
        self.params_type: type[msgspec.Struct] = module.Params
        self.state_size = HISTORY_SIZE + int(module.STATE_SIZE)
        self._composed = load_compiled(
            f"strategy_{name}", _SOURCE.format(name=name), sources_of(module)
        )
        # Bound without a Python frame between: this call is the live path.
        self.update = self._composed.update
        """update(states, slot, ts, open, high, low, close, volume, params, out): one bar.

        `states` float64 (slots, state_size), `params` float64 from `vector`, `out` float64
        (DECISION_SIZE,): the decision and, last, ATR(14) as of the bar."""
        self.update_many = self._composed.update_many
        """update_many(states, slots int64[n], ts int64[n], bars float64[n, 5], params,
        out float64[n, DECISION_SIZE]): n bars in order."""
        self.run = self._composed.run
        """run(states, trades TRADE[slots], held bool[slots], homes int64[m], slots int64[n], ts
        int64[n], bars float64[n, 5], params, is_overlapping, max_hold_bars, stop_atr_mult,
        out_rows int64[n], out float64[n, DECISION_SIZE]) -> count: n bars in order, each decided
        and carried through its virtual position (`engine.virtual_positions`).

        `homes` says in which row of `states`, `trades` and `held` a slot lives, -1 for none. The
        first `count` of `out_rows` are the bars that signal, of `out` their side, score within
        [0, 1] and stop: NaN where it is no price on the losing side of the close, as one many
        ATR below a cheap stock; then the position's stands `stop_atr_mult` ATR away."""

    def new_states(self, slots: int) -> Floats:
        """Return fresh state for `slots` symbols, float64 (slots, state_size)."""
        return np.zeros((slots, self.state_size))

    def decode_params(self, values: dict[str, Any], path: str) -> msgspec.Struct:
        """Return the typed parameters. Raises ConfigError that names `path` and the range."""
        return decode_strict(values, self.params_type, path)

    def vector(self, params: msgspec.Struct) -> Floats:
        """Return the parameters as float64, in field order."""
        values = [float(getattr(params, name)) for name in params.__struct_fields__]
        return np.array(values, dtype=np.float64)


def strategy_names() -> tuple[str, ...]:
    """Return the names of all strategies, sorted."""
    return tuple(sorted(found.name for found in pkgutil.iter_modules(strategies.__path__)))


@lru_cache(maxsize=64)
def load_strategy(name: str) -> Strategy:
    """Return a strategy, compiled on its first use. Raises ConfigError for an unknown one."""
    names = strategy_names()
    if name not in names:
        raise ConfigError(f"strategy kind was {name!r}{nearest(name, (*names, EXTERNAL))}")
    return Strategy(name, importlib.import_module(f"{strategies.__name__}.{name}"))


def sources_of(module: ModuleType) -> list[ModuleType]:
    """Return `module` and every module of ours that its names come from, sorted by name.

    These are what a composed kernel draws on: a change in any of them is a new kernel.
    """
    lent = [importlib.import_module(name) for name in LENT]
    return drawn_from([module, *lent], ("models.", "engine."))
