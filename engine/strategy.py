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

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SOURCE = '''"""The composed update of strategy {name}."""

import numba
import numpy as np

from engine.indicators import average_true_range
from engine.strategies.{name} import step
from models.history import HISTORY_SIZE, push

ROW = "float64[:, ::1]"
BAR = "float64, float64, float64, float64, float64"


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
    lent = [importlib.import_module(name) for name in ("models.history", "engine.indicators")]
    return drawn_from([module, *lent], ("models.", "engine."))
