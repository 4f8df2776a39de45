"""A strategy: one file under `engine/strategies/`, found by its name, composed and compiled.

The file holds `Params` (a frozen msgspec Struct with defaults, ranges and `max_hold_bars`),
`STATE_SIZE` (float64s of its own state) and a kernel

    step(state, history, params, out) -> None

that looks at the history, moves its state and writes its decision of this close:

    out[0] entry side: 1, -1, or 0 for none      out[3] 1.0: longs should leave at the next open
    out[1] technical score in [0, 1]             out[4] 1.0: shorts should
    out[2] stop price, NaN for none

`out` arrives as (0, 0, NaN, 0, 0). A strategy knows nothing of positions. What it says of an entry
is taken back where the last 14 bars are all at one price: nothing could be risked there.

For training data a file may name its `INDICATORS: tuple[str, ...]` and have a second kernel

    indicators(state, history, params, out) -> None

called right after `step` on the same state and history; it writes one value per name, as of the
close. `out` arrives as NaN, which it stays before an indicator's warm-up.

A parameter worth searching says where: `extra={"search": (low, high)}` in its `msgspec.Meta`
(`engine.search_range`); a Literal is searched over its values.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from functools import cached_property, lru_cache
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine import strategies, strategy_sources
from engine.search_range import SearchRange, search_ranges
from engine.settings import EXTERNAL
from models.compiled import drawn_from, load_compiled
from models.history import HISTORY_SIZE
from streams.errors import ConfigError
from streams.strict import decode_strict, nearest

ENTRY_SIDE, SCORE, STOP_PRICE, EXIT_LONG, EXIT_SHORT, ATR = range(6)
DECISION_SIZE = 6
NEAREST_TOLD_MAX = 3

LENT = ("models.history", "engine.indicators", "engine.virtual_positions")
"""Modules of ours that every composed strategy draws on, beside its own file."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Strategy:
    """A strategy; stateless itself, `states` rows hold all there is to know.

    `update`, `update_many` and `run` are one step and its loops: the same function, so live,
    replay and research cannot disagree. Each is compiled when it is first asked for; from then on
    it is an attribute without a Python frame between, for `run` is the live path.
    """

    def __init__(self, name: str, module: ModuleType) -> None:
        self.name = name
        self.params_type: type[msgspec.Struct] = module.Params
        self.state_size = HISTORY_SIZE + int(module.STATE_SIZE)
        self.indicator_names: tuple[str, ...] = tuple(getattr(module, "INDICATORS", ()))
        """The names of what `indicators_many` writes, in order; none in a file that has none."""
        self._module = module

    @cached_property
    def update(self) -> Callable[..., None]:
        """update(states, slot, ts, open, high, low, close, volume, params, out): one bar.

        `states` float64 (slots, state_size), `params` float64 from `vector`, `out` float64
        (DECISION_SIZE,): the decision and, last, ATR(14) as of a bar that signals, else NaN.
        """
        return self._composed("_bar", strategy_sources.UPDATE, "update")

    @cached_property
    def update_many(self) -> Callable[..., None]:
        """update_many(states, slots int64[n], ts int64[n], bars float64[n, 5], params, out
        float64[n, DECISION_SIZE]): n bars in order.
        """
        return self._composed("_many", strategy_sources.UPDATE_MANY, "update_many")

    @cached_property
    def run(self) -> Callable[..., int]:
        """run(states, trades TRADE[slots], held bool[slots], homes int64[m], slots int64[n], ts
        int64[n], bars float64[n, 5], params, is_overlapping, max_hold_bars, stop_atr_mult,
        out_rows int64[n], out float64[n, DECISION_SIZE]) -> count: n bars in order, each decided
        and carried through its virtual position (`engine.virtual_positions`).

        `homes` says in which row of `states`, `trades` and `held` a slot lives, -1 for none. The
        first `count` of `out_rows` are the bars that signal, of `out` their side, score within
        [0, 1] and stop: NaN where it is no price on the losing side of the close, as one many
        ATR below a cheap stock; then the position's stands `stop_atr_mult` ATR away.
        """
        return self._composed("_run", strategy_sources.RUN, "run")

    @cached_property
    def indicators_many(self) -> Callable[..., None]:
        """indicators_many(states, slots int64[n], ts int64[n], bars float64[n, 5], params,
        decisions float64[n, DECISION_SIZE], out float64[n, len(indicator_names)]): n bars in
        order, decided as `update_many` does, with the indicators as of each close.

        NaN before an indicator's warm-up. Raises ConfigError for a strategy without indicators.
        """
        if not self.indicator_names:
            raise ConfigError(
                f"strategy {self.name} has no indicators: give its file INDICATORS and a kernel "
                "`indicators`, as breakout has"
            )
        return self._composed("_indicators", strategy_sources.INDICATORS, "indicators_many")

    @property
    def documentation(self) -> str:
        """What its file says of it: the rule, the score, the warm-up, the source."""
        return inspect.getdoc(self._module) or ""

    def sides(self, params: msgspec.Struct) -> tuple[int, ...]:
        """Return the sides that it trades with `params`: 1 for long, -1 for short."""
        longs, shorts = getattr(params, "longs", True), getattr(params, "shorts", False)
        return tuple(side for side, is_traded in ((1, longs), (-1, shorts)) if is_traded)

    def search_space(self) -> dict[str, SearchRange]:
        """Return where its parameters are worth searching, by name, in field order."""
        return search_ranges(self.params_type)

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

    @cached_property
    def _sources(self) -> list[ModuleType]:
        return sources_of(self._module)

    def _composed(self, suffix: str, source: str, function: str) -> Callable[..., Any]:
        composed = load_compiled(
            f"strategy_{self.name}{suffix}",
            source.format(name=self.name),
            self._sources,
        )
        found: Callable[..., Any] = getattr(composed, function)
        return found


def strategy_names() -> tuple[str, ...]:
    """Return the names of all strategies, sorted."""
    return tuple(sorted(found.name for found in pkgutil.iter_modules(strategies.__path__)))


@lru_cache(maxsize=64)
def load_strategy(name: str) -> Strategy:
    """Return a strategy, whose kernels are compiled on their first use.

    Raises ConfigError for an unknown one.
    """
    names = strategy_names()
    if name not in names:
        known = (*names, EXTERNAL)
        raise ConfigError(f"strategy kind was {name!r}{nearest(name, known, NEAREST_TOLD_MAX)}")
    return Strategy(name, importlib.import_module(f"{strategies.__name__}.{name}"))


def sources_of(module: ModuleType) -> list[ModuleType]:
    """Return `module` and every module of ours that its names come from, sorted by name.

    These are what a composed kernel draws on: a change in any of them is a new kernel.
    """
    lent = [importlib.import_module(name) for name in LENT]
    return drawn_from([module, *lent], ("models.", "engine."))
