"""What a sweep tries: strategies × parameters × symbols, as a plan and as the runs that follow.

The order of the runs is fixed: strategies as given, their parameter sets as
`trainers.sweeps.param_grid` orders them, symbols ascending, all of them together last.
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np

from engine.backtests.bar_history import BarHistory
from engine.settings import CostSettings
from engine.strategy import load_strategy
from streams.errors import ConfigError, DataError
from trainers.statistics.objective import objective_name
from trainers.sweeps.param_grid import (
    PARAM_SETS_MAX,
    POINTS_MAX,
    ParamSets,
    grid_sets,
    random_sets,
)
from trainers.sweeps.sweep_run import POOLED, code_version_of, params_text, run_key

RUNS_MAX = 5_000_000
"""Of one sweep: their keys are held in memory."""

BARS_MIN = 2
"""A symbol with fewer has no return."""


class SweptStrategy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A strategy of a sweep: `params` stay as given, `values` lists what others take in turn."""

    name: str
    params: dict[str, Any] = {}
    values: dict[str, tuple[Any, ...]] = {}


class SweepPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is tried.

    `grid`: into how many points each declared range is cut; `random`: how many sets are drawn of
    it instead, with `seed`; neither: the lists alone. `pooled`: beside each symbol alone, all of
    them with one capital. `objective`: what the best runs are ranked by.
    """

    strategies: tuple[SweptStrategy, ...] = ()
    grid: Annotated[int, msgspec.Meta(ge=0, le=POINTS_MAX)] = 0
    random: Annotated[int, msgspec.Meta(ge=0, le=PARAM_SETS_MAX)] = 0
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    pooled: bool = True
    objective: str = "sharpe_ratio"

    @property
    def text(self) -> str:
        """The plan as JSON with sorted keys."""
        return msgspec.json.encode(self, order="sorted").decode()

    @property
    def digest(self) -> str:
        """The SHA-256 of the plan, as hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def param_sets(self) -> list[ParamSets]:
        """Return the parameters of each strategy.

        Raises ConfigError for a plan that contradicts itself, and what it names and is not there.
        """
        objective_name(self.objective)
        if not self.strategies:
            raise ConfigError("a sweep needs strategies, had none: name some, or all")
        if self.grid and self.random:
            raise ConfigError("a sweep is a grid or random, not both: give one of the two")
        names = [one.name for one in self.strategies]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"strategy {name} is given twice: put its values into one list")
        return [self._sets_of(one) for one in self.strategies]

    def _sets_of(self, one: SweptStrategy) -> ParamSets:
        strategy = load_strategy(one.name)
        if self.random:
            return random_sets(
                strategy, fixed=one.params, lists=one.values, draws=self.random, seed=self.seed
            )
        return grid_sets(strategy, fixed=one.params, lists=one.values, points=self.grid)


class SweepBatch(NamedTuple):
    """The runs of one strategy with one set of parameters: their keys by symbol, or POOLED."""

    strategy: str
    params: dict[str, Any]
    keys: dict[str, str]


class SweepWork(NamedTuple):
    """A plan on bars.

    `costs` has one entry per symbol of the history; `digests` and `spans` (closes of the first
    and the last bar) are by symbol or POOLED, `code_versions` by strategy. `refused`: how many
    sets of parameters contradict themselves; `left_out`: the symbols with too few bars.
    """

    plan: SweepPlan
    history: BarHistory
    costs: tuple[CostSettings, ...]
    batches: tuple[SweepBatch, ...]
    digests: dict[str, str]
    spans: dict[str, tuple[int, int]]
    code_versions: dict[str, str]
    refused: int
    left_out: tuple[str, ...]

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return sum(len(batch.keys) for batch in self.batches)


def work_of(
    plan: SweepPlan, history: BarHistory, costs: Mapping[str, CostSettings], release: str
) -> SweepWork:
    """Return the runs of a plan on a history.

    `costs` by symbol; `release`: the program's version. Raises ConfigError as
    `SweepPlan.param_sets`, DataError where no symbol has bars.
    """
    sets = plan.param_sets()
    bars = np.diff(history.starts)
    kept = tuple(
        name for name, count in zip(history.symbols, bars, strict=True) if count >= BARS_MIN
    )
    left_out = tuple(symbol for symbol in history.symbols if symbol not in kept)
    if not kept:
        raise DataError(
            f"no symbol has {BARS_MIN} bars or more: look at the data's symbols, start and end"
        )
    history = history.of_symbols(kept)
    symbols = (*kept, POOLED) if plan.pooled and len(kept) > 1 else kept
    total = len(symbols) * sum(len(one.sets) for one in sets)
    if total > RUNS_MAX:
        raise ConfigError(f"the sweep has {total} runs, one takes {RUNS_MAX}: split it")
    own: dict[str, tuple[CostSettings, ...]] = {symbol: (costs[symbol],) for symbol in kept}
    own[POOLED] = tuple(costs[symbol] for symbol in kept)
    digests = {symbol: history.of_symbols((symbol,)).digest() for symbol in kept}
    digests[POOLED] = history.digest()
    spans = {symbol: _span_of(history, symbol) for symbol in symbols}
    versions = {one.name: code_version_of(one.name, release) for one in plan.strategies}
    batches = []
    for one, found in zip(plan.strategies, sets, strict=True):
        for params in found.sets:
            text = params_text(params)
            keys = {
                symbol: run_key(
                    one.name,
                    text,
                    symbol,
                    digests[symbol],
                    spans[symbol],
                    own[symbol],
                    versions[one.name],
                )
                for symbol in symbols
            }
            batches.append(SweepBatch(one.name, params, keys))
    return SweepWork(
        plan=plan,
        history=history,
        costs=own[POOLED],
        batches=tuple(batches),
        digests=digests,
        spans=spans,
        code_versions=versions,
        refused=sum(one.refused for one in sets),
        left_out=left_out,
    )


def _span_of(history: BarHistory, symbol: str) -> tuple[int, int]:
    ts = history.ts if symbol == POOLED else history.ts[history.rows_of(symbol)]
    return int(ts.min()), int(ts.max())
