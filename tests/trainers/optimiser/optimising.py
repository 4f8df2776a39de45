"""Small optimisations for tests: markets without an edge and with one, and a run over them."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engine.backtests.bar_history import BarHistory
from engine.backtests.portfolio_settings import PortfolioSettings
from engine.instrument import Instrument
from engine.settings import CostSettings, StrategySettings
from tests.trainers.noise import random_walk_history
from trainers.optimiser.optimiser import (
    OptimiserRun,
    optimise,
    research_bars,
    study_place,
    study_task,
)
from trainers.optimiser.optimiser_report import OptimiserReport
from trainers.optimiser.optimiser_settings import OptimiseSettings
from trainers.optimiser.study import TrialStudy

FREE = CostSettings(bps_per_side=0.0)
OPENED_NS = 1_700_000_000_000_000_000
REGIME_BARS = 40
DRIFT = 0.003


def trending_history(seed: int, symbols: int = 16, bars: int = 1_500) -> BarHistory:
    """Random walks whose drift keeps its sign for some weeks: breakouts go on."""
    history = random_walk_history(seed, symbols, bars)
    rng = np.random.default_rng([seed, 1])
    turns = rng.random((symbols, bars)) < 1.0 / REGIME_BARS
    signs = np.where(np.cumsum(turns, axis=1) % 2 == 0, 1.0, -1.0)
    factor = np.exp(np.cumsum(DRIFT * signs, axis=1)).reshape(-1, 1)
    values = history.values.copy()
    values[:, :4] *= factor
    return with_values(history, values)


def with_values(history: BarHistory, values: Any) -> BarHistory:
    """The same history with other values."""
    return BarHistory(history.symbols, history.interval, history.starts, history.ts, values)


def renamed(history: BarHistory, name: str) -> BarHistory:
    """The same bars under other symbols: a world of its own to ledger and holdout."""
    symbols = tuple(f"{name}{symbol}" for symbol in history.symbols)
    return BarHistory(symbols, history.interval, history.starts, history.ts, history.values)


def run_of(
    history: BarHistory,
    folder: Path,
    *,
    trials: int = 8,
    costs: CostSettings = FREE,
    workers: int = 1,
    study: str = "",
    location: str | Path | None = None,
    portfolio: PortfolioSettings = PortfolioSettings(),  # noqa: B008
    **settings: Any,
) -> OptimiserRun:
    """A run of breakout on a history, its storage and ledger in a folder."""
    return OptimiserRun(
        history=history,
        strategy=StrategySettings(name="breakout"),
        portfolio=portfolio,
        instruments=tuple(Instrument(symbol=symbol, lot=0.001) for symbol in history.symbols),
        costs=(costs,) * len(history.symbols),
        settings=OptimiseSettings(**{"trials": trials, "trades_min": 5, "folds": 3, **settings}),
        location=location or folder / "studies.db",
        ledger=folder / "trials.db",
        release="0",
        study=study,
        workers=workers,
    )


def optimised(run: OptimiserRun) -> OptimiserReport:
    """The report of a run, on a clock that stands still."""
    return optimise(run, now_ns=lambda: OPENED_NS)


def without_history(report: OptimiserReport) -> OptimiserReport:
    """The report without its study's name and what is only told of earlier runs."""
    trials = msgspec.structs.replace(report.trials, found=0)
    holdout = msgspec.structs.replace(report.holdout, opened_before=0, for_others=0)
    return msgspec.structs.replace(report, study="", trials=trials, holdout=holdout, sentence="")


def finished_in(run: OptimiserRun, report: OptimiserReport) -> list[tuple[Any, ...]]:
    """Number, parameters and objective of every complete trial of a study."""
    with study_of(run) as study:
        assert study.name == report.study
        return [(one.number, one.params, one.value) for one in study.look().finished]


def study_of(run: OptimiserRun) -> TrialStudy:
    """The study of a run, open."""
    task = study_task(run)
    return study_place(run, task, research_bars(run, task)).open()
