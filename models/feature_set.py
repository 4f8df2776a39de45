"""All feature families as one compiled update: the same function live, in replay, in research.

A family is one file under `models/features/`, found by its name:

    FEATURES: tuple[Feature, ...]      what it writes, in order
    STATE_SIZE: int                    float64s of its own state, zero at the start

    @kernel
    def step(state, history, context, out) -> None

`step` sees one bar at a time through `history` (`models.feature_history`) and `context`
(`models.context`), and writes one float64 per feature: NaN before the feature's warm-up, finite
from then on, whatever valid bar comes, unless it needs what the context does not have. Families
come in the order of their file names.

State of a symbol: float64 (state_size,): its bars, the shared windows, each family's own, and the
values of its last bar. All zeros is "no bar seen".
"""

import importlib
import pkgutil
from functools import lru_cache
from types import ModuleType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models import feature_history, features
from models.compiled import drawn_from, load_compiled
from models.context import CONTEXT_SIZE
from models.feature import Feature
from models.feature_history import WINDOWS_SIZE
from models.history import HISTORY_SIZE
from models.vector import digest_of

VALUE_MAX = 1e6
"""Values are served within ±VALUE_MAX: a quotient of absurd prices saturates there."""

BAR_VALUES = 5

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Served = NDArray[np.float32]

_SOURCE = '''"""The composed update of every feature family."""

import numba

from models.feature_history import WINDOWS_SIZE, observe
from models.history import HISTORY_SIZE, push
from models.kernel import borrowed
{imports}

BAR = "float64, float64, float64, float64, float64"
ROWS = "float64[:, ::1]"


@numba.njit(
    f"void({{ROWS}}, int64, int64, {{BAR}}, float64[::1], float32[::1])",
    cache=True,
    error_model="numpy",
)
def update(states, slot, ts, open_, high, low, close, volume, context, out):
    if slot < 0 or slot >= len(states) or len(out) != {width} or len(context) != {context}:
        raise IndexError("slot, context or out does not fit the feature states")
    state = borrowed(states[slot])
    bars = push(state[:HISTORY_SIZE], ts, open_, high, low, close, volume)
    history = observe(state[HISTORY_SIZE : HISTORY_SIZE + WINDOWS_SIZE], bars)
    values = state[{values} : {values} + {width}]
{calls}
    for i in range({width}):
        value = values[i]
        if value > {value_max}:
            value = {value_max}
        elif value < -{value_max}:
            value = -{value_max}
        out[i] = value


@numba.njit(
    f"void({{ROWS}}, int64[::1], int64[::1], {{ROWS}}, {{ROWS}}, int64[::1], float32[:, ::1])",
    cache=True,
    error_model="numpy",
)
def update_places(states, slots, ts, bars, contexts, places, out):
    for i in range(len(slots)):
        bar, place = bars[i], places[i]
        if place < 0 or place >= len(out):
            raise IndexError("a place lies outside the rows")
        update(
            states, slots[i], ts[i], bar[0], bar[1], bar[2], bar[3], bar[4], contexts[i], out[place]
        )
'''


class FeatureSet:
    """The composed families; stateless itself, a row of `states` holds all there is to know."""

    def __init__(self, families: tuple[ModuleType, ...]) -> None:
        declared: list[Feature] = [feature for family in families for feature in family.FEATURES]
        self.names: tuple[str, ...] = tuple(feature.name for feature in declared)
        self.digest: str = digest_of(self.names)
        self.warm_up: Ints = np.array([feature.warm_up for feature in declared], dtype=np.int64)
        self.convergence: Ints = np.array(
            [feature.convergence for feature in declared], dtype=np.int64
        )
        own = sum(int(family.STATE_SIZE) for family in families)
        self.state_size: int = HISTORY_SIZE + WINDOWS_SIZE + own + len(declared)
        sources = drawn_from((feature_history, *families))
        composed = load_compiled("features", _composed_source(families), sources)
        # Bound without a Python frame between: this call is the live path.
        self.update = composed.update
        """update(states, slot, ts, open, high, low, close, volume, context, out): one bar.

        `states` from `new_states`, `context` float64 (CONTEXT_SIZE,), `out` float32
        (len(names),), C-contiguous. Raises IndexError if one of these does not fit."""
        self._update_places = composed.update_places

    def new_states(self, count: int) -> Floats:
        """Return the state of `count` symbols that have seen no bar: float64 (count, size)."""
        return np.zeros((count, self.state_size))

    def update_many(
        self,
        states: Floats,
        slots: Ints,
        ts: Ints,
        bars: Floats,
        contexts: Floats,
        out: Served,
    ) -> None:
        """Apply n bars in order: `update`, in a compiled loop.

        `slots` and `ts` int64 (n,), `bars` float64 (n, 5) open to volume, `contexts` float64
        (n, CONTEXT_SIZE), `out` float32 (n, len(names)), all C-contiguous. Raises ValueError
        if shapes differ, before any bar is applied.
        """
        n = len(slots)
        wanted = ((n,), (n, BAR_VALUES), (n, CONTEXT_SIZE), (n, len(self.names)))
        if (ts.shape, bars.shape, contexts.shape, out.shape) != wanted:
            raise ValueError(
                f"ts, bars, contexts and out must have the shapes {wanted}, "
                f"were {(ts.shape, bars.shape, contexts.shape, out.shape)}"
            )
        self._update_places(states, slots, ts, bars, contexts, np.arange(n), out)

    def update_places(
        self,
        states: Floats,
        slots: Ints,
        ts: Ints,
        bars: Floats,
        contexts: Floats,
        places: Ints,
        rows: Served,
    ) -> None:
        """Apply n bars in order, as `update_many`, bar i writing `rows[places[i]]`.

        `places` int64 (n,), `rows` float32 (m, len(names)). Raises IndexError where one does not
        fit; bars before it have been applied.
        """
        self._update_places(states, slots, ts, bars, contexts, places, rows)

    def compute(self, ts: ArrayLike, bars: ArrayLike, contexts: ArrayLike) -> Served:
        """Return the features of one symbol's history from its first bar: float32 (n, F).

        Shapes as in `update_many`.
        """
        instants = np.ascontiguousarray(ts, dtype=np.int64)
        out = np.empty((len(instants), len(self.names)), dtype=np.float32)
        self.update_many(
            self.new_states(1),
            np.zeros(len(instants), dtype=np.int64),
            instants,
            np.ascontiguousarray(bars, dtype=np.float64),
            np.ascontiguousarray(contexts, dtype=np.float64),
            out,
        )
        return out


def families() -> tuple[ModuleType, ...]:
    """Return every family's module, in the order of their names."""
    names = sorted(found.name for found in pkgutil.iter_modules(features.__path__))
    return tuple(importlib.import_module(f"{features.__name__}.{name}") for name in names)


def feature_names() -> tuple[str, ...]:
    """Return the names of all features, in the order of the set; nothing is compiled."""
    return tuple(feature.name for family in families() for feature in family.FEATURES)


@lru_cache(maxsize=1)
def load_feature_set() -> FeatureSet:
    """Return the set of all families, compiled on first use (seconds), then from the cache."""
    return FeatureSet(families())


def _composed_source(chosen: tuple[ModuleType, ...]) -> str:
    imports, calls = [], []
    state, value = HISTORY_SIZE + WINDOWS_SIZE, 0
    for family in chosen:
        name = family.__name__.rpartition(".")[2]
        size, width = int(family.STATE_SIZE), len(family.FEATURES)
        imports.append(f"from {family.__name__} import step as step_{name}")
        own, out = f"state[{state} : {state + size}]", f"values[{value} : {value + width}]"
        calls.append(f"    step_{name}({own}, history, context, {out})")
        state, value = state + size, value + width
    return _SOURCE.format(
        imports="\n".join(imports),
        calls="\n".join(calls),
        values=state,
        width=value,
        context=CONTEXT_SIZE,
        value_max=VALUE_MAX,
    )
