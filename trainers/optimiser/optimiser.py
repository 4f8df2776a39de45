"""Optimises a strategy on a portfolio: searches, chooses, opens the holdout once, and concludes.

The sampler maximises the objective over the train span as one: a single figure of the least
variance. The mean over walk-forward's growing pasts would count the first years in every fold.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from engine.backtests.bar_history import BarHistory
from engine.backtests.portfolio_settings import PortfolioSettings
from engine.costs import CostSettings
from engine.instrument import Instrument
from engine.settings import StrategySettings
from streams.errors import ConfigError, DataError
from trainers.database.engine import open_database
from trainers.optimiser.evaluation import StudyTask
from trainers.optimiser.optimiser_judge import Judge
from trainers.optimiser.optimiser_report import OptimiserReport, TrialCounts
from trainers.optimiser.optimiser_settings import OptimiseSettings
from trainers.optimiser.study import TrialStudy
from trainers.optimiser.study_figures import counting, distinct
from trainers.optimiser.study_ledger import StudyLedger
from trainers.optimiser.study_spans import study_spans
from trainers.optimiser.study_storage import telling_of
from trainers.optimiser.study_workers import StudyPlace, run_study
from trainers.statistics.objective import objective_name
from trainers.sweeps.sweep_run import MEASURED_BY, code_version_of

NAME_DIGITS = 8
JUDGED_BY = (
    *MEASURED_BY,
    "engine.backtests.portfolio",
    "engine.backtests.portfolio_kernels",
    "engine.backtests.conversion",
    "trainers.optimiser.evaluation",
    "trainers.optimiser.study_spans",
    "trainers.statistics.objective",
)
"""The modules that a trial's value depends on, beside those of its strategy."""


class Progress(NamedTuple):
    """How far a study is; `best` is the highest objective on the train days, None before one."""

    done: int
    total: int
    best: float | None


class OptimiserRun(NamedTuple):
    """What is optimised, on which bars; `instruments` and `costs` have one entry per symbol.

    `location` is the storage, a SQLite file or a PostgreSQL URL; `study` its name there, made of
    what its trials depend on where it is empty. `ledger` counts the trials, and knows who
    opened a holdout. `release` is the program's.
    """

    history: BarHistory
    strategy: StrategySettings
    portfolio: PortfolioSettings
    instruments: tuple[Instrument, ...]
    costs: tuple[CostSettings, ...]
    settings: OptimiseSettings
    location: str | Path
    ledger: str | Path
    release: str
    study: str = ""
    workers: int = 1


def optimise(
    run: OptimiserRun,
    *,
    now_ns: Callable[[], int],
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> OptimiserReport:
    """Bring a study to its trials and return what it found.

    The bars of the holdout are cut off first. Raises ConfigError for settings that do not fit
    the strategy, the bars, or a study of that name; AssayError where all workers died.
    """
    task = study_task(run)
    research = research_bars(run, task)
    place = study_place(run, task, research)
    total = run.settings.trials

    def tell(study: TrialStudy) -> None:
        trials = study.look()
        on_progress(Progress(len(trials.complete), total, trials.best_value))

    with telling_of(place.location), place.open() as study:
        found = len(study.look().complete)
        run_study(study, place, task, research, limit=total, workers=run.workers, on_progress=tell)
        trials = study.look().finished
    evaluated = distinct(trials)
    if not evaluated:
        raise DataError(
            f"{run.strategy.name} refused the parameters of all {len(trials)} trials: narrow "
            "optimize.ranges so that they fit one another"
        )
    good = counting(evaluated, task.trades_min)
    counts = TrialCounts(
        complete=len(trials),
        found=found,
        distinct=len(evaluated),
        refused=sum(trial.evaluated is None for trial in trials),
        counting=len(good),
    )
    judge = Judge(task, place.name, research, counts)
    with StudyLedger(run.ledger, task, place.name, research) as ledger:
        chosen = judge.choose(evaluated, good or evaluated, ledger)
    # From here on the configuration is what it is: now the seal may be broken. It is one seal for
    # all searches, wherever their studies are.
    engine = open_database(run.ledger, title="trial ledger")
    try:
        holdout = judge.open(chosen, run.history, engine, now_ns())
    finally:
        engine.dispose()
    return judge.report(chosen, holdout)


def study_task(run: OptimiserRun) -> StudyTask:
    """Return what the trials of a run depend on beside the bars. Errors as `optimise`."""
    if not len(run.history):
        raise ConfigError("an optimisation needs bars, there are none: widen start and end")
    task = StudyTask(
        strategy=run.strategy,
        portfolio=run.portfolio,
        instruments=run.instruments,
        costs=run.costs,
        spans=study_spans(run.history.instants, run.settings),
        ranges=run.settings.ranges,
        objective=objective_name(run.settings.objective),
        trades_min=run.settings.trades_min,
        seed=run.settings.seed,
    )
    task.space()
    task.own_params()
    return task


def research_bars(run: OptimiserRun, task: StudyTask) -> BarHistory:
    """Return the bars of train and validation: all that a study may look at."""
    return run.history.between(0, task.spans.holdout.from_ts - 1)


def study_place(run: OptimiserRun, task: StudyTask, research: BarHistory) -> StudyPlace:
    """Return where the study of a run is."""
    identity: dict[str, Any] = {
        **msgspec.to_builtins(task),
        "bars": research.digest(),
        "code": code_version_of(run.strategy.rule_name, run.release, JUDGED_BY),
    }
    text = msgspec.json.encode(identity, order="sorted")
    digest = hashlib.sha256(text).hexdigest()[:NAME_DIGITS]
    name = run.study or f"{run.strategy.name}-{task.objective}-{digest}"
    return StudyPlace(run.location, name, identity, run.ledger)
