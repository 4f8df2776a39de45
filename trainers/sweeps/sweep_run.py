"""One run of a sweep: what it is known by, and what came of it.

A run's key is the digest of all that its result depends on. The same run of another sweep, on
another machine, has the same key; a changed parameter, bar, cost or line of the strategy's code
has another.
"""

import hashlib
import importlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from engine.settings import CostSettings
from engine.strategy import load_strategy, sources_of
from trainers.statistics.performance import Performance

POOLED = "*"
"""What stands for the symbol where all of them share one capital."""

CODE_DIGITS = 12

MEASURED_BY = (
    "engine.trade",
    "engine.backtests.backtest",
    "engine.backtests.trade_kernels",
    "engine.backtests.trade_log",
    "engine.backtests.trade_returns",
    "trainers.sweeps.sweep_batch",
    "trainers.statistics.closed_trades",
    "trainers.statistics.drawdown",
    "trainers.statistics.equity_curve",
    "trainers.statistics.performance",
)
"""The modules that make a run's figures, beside those of its strategy."""


class Run(msgspec.Struct, frozen=True):
    """One strategy with one set of parameters on one symbol, or all (POOLED), and its figures.

    `params`: every parameter, as JSON with sorted keys. `data_digest`: of its bars, `started_ts`
    and `ended_ts` the closes of the first and the last. `code_version`: see `code_version_of`.
    """

    key: str
    strategy: str
    symbol: str
    interval: str
    params: str
    data_digest: str
    started_ts: int
    ended_ts: int
    code_version: str
    performance: Performance

    @property
    def is_pooled(self) -> bool:
        """Whether it ran on all symbols with one capital."""
        return self.symbol == POOLED

    @property
    def param_values(self) -> dict[str, Any]:
        """The parameters as a mapping."""
        values: dict[str, Any] = msgspec.json.decode(self.params)
        return values


def params_text(params: Mapping[str, Any]) -> str:
    """Return parameters as the text that stands for them in keys and in the store.

    >>> params_text({"b": 2.5, "a": 1})
    '{"a":1,"b":2.5}'
    """
    return msgspec.json.encode(dict(params), order="sorted").decode()


def run_key(
    strategy: str,
    params: str,
    symbol: str,
    data_digest: str,
    span: tuple[int, int],
    costs: tuple[CostSettings, ...],
    code_version: str,
) -> str:
    """Return the key of a run, 64 hex digits. `costs`: of its symbols, in order."""
    told = ("run 1", strategy, params, symbol, data_digest, span, costs, code_version)
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()


@lru_cache(maxsize=256)
def code_version_of(strategy: str, release: str, measured_by: tuple[str, ...] = MEASURED_BY) -> str:
    """Return the release with a digest of the code that makes a strategy's runs: 0.1.0+1f2e….

    `measured_by`: the modules that make the figures. An edited strategy is another one, whose runs
    are made anew, though no release says so.
    """
    load_strategy(strategy)
    rule = importlib.import_module(f"engine.strategies.{strategy}")
    modules = [*sources_of(rule), *map(importlib.import_module, measured_by)]
    digest = hashlib.sha256()
    for path in sorted({str(module.__file__) for module in modules}):
        digest.update(Path(path).read_bytes())
    return f"{release}+{digest.hexdigest()[:CODE_DIGITS]}"
