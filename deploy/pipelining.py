"""`assay pipeline`, from its options to models, files and a table."""

import importlib.metadata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from deploy.config import check_run
from deploy.extraction import Bars
from deploy.extraction_plan import Asked, Job, Plan, plan_of
from deploy.output import Output
from deploy.report import in_words
from deploy.state import StateDir
from deploy.tables import plain_table
from deploy.training import DISTRIBUTION
from deploy.trust import ensure_signing_key
from models.feature_set import load_feature_set
from models.vector import vector_names
from streams.clock import SystemClock
from streams.errors import ConfigError
from streams.strict import decode_strict
from trainers.database.feature_database import FeatureDatabase
from trainers.dataset import Dataset
from trainers.dataset_frames import dataset_of_frame
from trainers.extraction.extraction import extract_trades
from trainers.extraction.feature_extractor import FeatureExtractor
from trainers.extraction.training_frame import training_frame
from trainers.pipeline.model_report import ModelFailure, ModelReport
from trainers.pipeline.pipeline_run import (
    RESULTS_FILE,
    JobSamples,
    PipelineJob,
    PipelineRun,
    Told,
    run_pipeline,
)
from trainers.pipeline.pipeline_settings import PipelineSettings
from trainers.pipeline.training_task import Stage, TrainingPlace, TrainingTask
from trainers.served_difference import compare_vectors

STORAGE_FILE = "trials.db"
WINNER_AFTER = (
    "the strategy's parameters were chosen on bars up to {day}, which the sealed days are among: "
    "what they show of the strategy is not new, only what they show of the model is"
)


class PipelineAsked(NamedTuple):
    """The options; `changes` are keys of PipelineSettings."""

    extraction: Asked
    changes: dict[str, Any]
    per_symbol: bool = False
    served: bool = False
    again: bool = False


class _Reader:
    """Makes the samples of jobs: extracted from bars, which are read once, or out of the record."""

    def __init__(self, plan: Plan, state: StateDir, served: bool) -> None:
        self._plan, self._state, self._served = plan, state, served
        self._bars = Bars(plan)

    def samples(self, job: Job, symbol: str | None) -> JobSamples:
        """Return the samples of a job, of one symbol or of all."""
        settings = job.settings
        history, session, data = self._bars.of(job.symbols)
        extractor = FeatureExtractor(
            **self._plan.terms,
            context=self._plan.context,
            interval=self._plan.data.interval,
            session=session,
        )
        decided = extractor.settings_of(settings, session)
        market = extractor.market_of(decided, history, session, job.symbols)
        wanted = (symbol,) if symbol is not None else job.symbols or history.symbols
        frames = [
            training_frame(extract_trades(decided, market.of_symbol(one), load_feature_set()))
            for one in wanted
        ]
        recomputed = dataset_of_frame(pl.concat(frames))
        task = TrainingTask(
            strategy=settings.name,
            symbol=symbol,
            rule=settings.rule_name,
            interval=settings.interval,
            params=dict(settings.params),
            bars_digest=data.data_digest,
        )
        if not self._served:
            return JobSamples(recomputed, task)
        served = self._recorded(job, symbol)
        told = msgspec.structs.replace(task, vectors="served")
        return JobSamples(served, told, compare_vectors(served, recomputed))

    def _recorded(self, job: Job, symbol: str | None) -> Dataset:
        collection = self._plan.run.ml_data_collection if self._plan.run is not None else None
        if collection is None:
            raise ConfigError("--served needs a run file, whose feature database is read: --config")
        with FeatureDatabase(self._state.database(collection.db_path)) as database:
            names = vector_names(load_feature_set().names, job.settings.features)
            return database.read(job.settings.name, names, symbol=symbol)


def run_pipeline_command(
    asked: PipelineAsked, *, folder: Path, ledger: str, state_dir: Path, output: Output
) -> int:
    """Make the models, say what became of each, and return how many passed the gate."""
    plan = plan_of(asked.extraction)
    if plan.run is not None:
        check_run(plan.run)
    settings = _settings(plan, asked)
    state = StateDir(state_dir.resolve())
    state.make()
    reader = _Reader(plan, state, asked.served)
    jobs = list(_jobs(plan, asked, reader))
    folder.mkdir(parents=True, exist_ok=True)
    with _progress(output.console, len(jobs)) as (on_stage, on_done):
        place = TrainingPlace(
            ledger=ledger,
            storage=folder / STORAGE_FILE,
            release=importlib.metadata.version(DISTRIBUTION),
            now_ns=SystemClock().now_ns,
            on_stage=on_stage,
        )
        run = PipelineRun(
            settings,
            place,
            folder,
            ensure_signing_key(state),
            created_from=str(asked.extraction.winners or asked.extraction.config or "options"),
            again=asked.again,
        )
        found: list[tuple[Told, bool]] = []

        def on_told(job: PipelineJob, told: Told, was_found: bool) -> None:
            found.append((told, was_found))
            on_done(job)

        results = run_pipeline(jobs, run, on_told)
    _show(found, folder, output)
    output.document(results)
    return sum(isinstance(told, ModelReport) and told.verdict.promoted for told, _ in found)


def _settings(plan: Plan, asked: PipelineAsked) -> PipelineSettings:
    base = plan.run.pipeline if plan.run is not None else PipelineSettings()
    return decode_strict(
        msgspec.to_builtins(base) | asked.changes, PipelineSettings, "command line"
    )


def _jobs(plan: Plan, asked: PipelineAsked, reader: _Reader) -> Iterator[PipelineJob]:
    for job in plan.jobs:
        symbols: tuple[str | None, ...] = job.symbols
        is_each = asked.per_symbol or asked.extraction.winners is not None
        if not is_each or not symbols:
            symbols = (symbols[0],) if len(symbols) == 1 else (None,)
        for symbol in symbols:
            yield PipelineJob(
                job.settings.name, symbol, _reading(reader, job, symbol), mark=job.mark
            )


def _reading(reader: _Reader, job: Job, symbol: str | None) -> Callable[[], JobSamples]:
    return lambda: reader.samples(job, symbol)


def _show(found: list[tuple[Told, bool]], folder: Path, output: Output) -> None:
    table = plain_table()
    table.add_column("strategy", overflow="fold")
    table.add_column("symbol", no_wrap=True)
    for name in ("samples", "AUC of the\nholdout", "±", "R per signal\nover all", "±"):
        table.add_column(name, justify="right")
    table.add_column("gate", overflow="fold")
    for told, was_found in found:
        if isinstance(told, ModelFailure):
            continue
        evaluation = told.holdout.evaluation if told.holdout is not None else None
        auc = evaluation.auc if evaluation is not None else None
        gain = (
            evaluation.acceptance.utility_gain_r
            if evaluation is not None and evaluation.acceptance is not None
            else None
        )
        table.add_row(
            told.identity.strategy,
            told.identity.symbol or "all",
            f"{told.samples.count + told.samples.holdout_count:,}",
            _told(auc.value if auc else None, ".3f"),
            _told(auc.error if auc else None, ".3f"),
            _told(gain.value if gain else None, "+.3f"),
            _told(gain.error if gain else None, ".3f"),
            ("passed" if told.verdict.promoted else in_words(told.verdict.reason))
            + (", as before" if was_found else ""),
        )
    if table.row_count:
        output.show(table)
    for told, _ in found:
        if isinstance(told, ModelFailure):
            output.say(f"failed: {told.strategy} on {told.symbol or 'all'}: {told.reason}")
    for told, _ in found:
        if isinstance(told, ModelReport) and "model" in told.files:
            output.say(f"model: {folder / told.files['model']}")
    output.say(f"accounts: {folder / RESULTS_FILE}")


def _told(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


@contextmanager
def _progress(
    console: Console, jobs: int
) -> Iterator[tuple[Callable[[Stage], None], Callable[[PipelineJob], None]]]:
    """Yield what is told of stages, and of jobs that are done; only a terminal shows it."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        models = progress.add_task("models", total=jobs)
        stage = progress.add_task("", total=None)

        def on_stage(at: Stage) -> None:
            progress.update(stage, description=at.name, completed=at.done, total=at.total)

        yield on_stage, lambda _job: progress.advance(models)
