"""`assay pipeline`, from its options to models, files and a table."""

import importlib.metadata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from deploy.config import RunSettings, check_run
from deploy.output import Output
from deploy.research.extraction_plan import EVERY_SYMBOL, Asked, Job, Plan, plan_of
from deploy.research.folder_lock import own_folder
from deploy.research.pipeline_view import Found, pipeline_progress, show_pipeline
from deploy.research.sample_reader import SampleReader
from deploy.research.training import DISTRIBUTION
from deploy.state import StateDir
from deploy.trust import ensure_signing_key
from engine.settings import EXTERNAL
from engine.strategy import load_strategy
from models.signing import SigningKey
from streams.clock import SystemClock
from streams.errors import ConfigError
from streams.strict import decode_strict
from trainers.learner import check_learner
from trainers.pipeline.model_files import FileNames
from trainers.pipeline.model_report import ModelReport
from trainers.pipeline.pipeline_results import PipelineResults
from trainers.pipeline.pipeline_run import (
    JobSamples,
    PipelineJob,
    PipelineRun,
    Told,
    run_pipeline,
)
from trainers.pipeline.pipeline_settings import PipelineSettings
from trainers.pipeline.training_task import TrainingPlace

STORAGE_FILE = "trials.db"
OUTPUT_OPTION = "--output-dir"


class PipelineAsked(NamedTuple):
    """The options; `changes` are keys of PipelineSettings."""

    extraction: Asked
    changes: dict[str, Any]
    per_symbol: bool = False
    served: bool = False
    again: bool = False


class ToTrain(NamedTuple):
    """Models to make, how, and where."""

    jobs: Sequence[PipelineJob]
    settings: PipelineSettings
    folder: Path
    ledger: str
    signer: SigningKey
    created_from: str
    again: bool = False


def run_pipeline_command(
    asked: PipelineAsked, folder: Path, ledger: str, state_dir: Path, output: Output
) -> int:
    """Make the models, say what became of each, and return how many passed the gate."""
    plan = plan_of(asked.extraction)
    _check(plan, asked)
    state = StateDir(state_dir.resolve())
    state.make()
    reader = SampleReader(plan, state, plan.run if asked.served else None)
    for name in _left_out(plan, asked):
        output.say(f"{name} is external: what the stream recorded of it is learned by --served")
    to_train = ToTrain(
        jobs=pipeline_jobs(plan.jobs, reader, asked),
        settings=pipeline_settings(plan.run, asked.changes),
        folder=folder,
        ledger=ledger,
        signer=ensure_signing_key(state),
        created_from=str(asked.extraction.winners or asked.extraction.config or "options"),
        again=asked.again,
    )
    found, results = train_models(to_train, output)
    show_pipeline(found, folder, output)
    output.document(results)
    return count_promoted(found)


def train_models(what: ToTrain, output: Output) -> tuple[list[Found], PipelineResults]:
    """Make every model that is not there yet; return what became of each.

    Stopped by Ctrl-C, it says what is kept. Raises ConfigError for a folder that cannot be
    written, or that another run writes to.
    """
    found: list[Found] = []
    total = len(what.jobs)
    with (
        own_folder(what.folder, OUTPUT_OPTION),
        pipeline_progress(output.console, total) as (on_stage, on_done),
    ):
        place = TrainingPlace(
            ledger=what.ledger,
            storage=what.folder / STORAGE_FILE,
            release=importlib.metadata.version(DISTRIBUTION),
            now_ns=SystemClock().now_ns,
            on_stage=on_stage,
        )
        run = PipelineRun(
            what.settings, place, what.folder, what.signer, what.created_from, again=what.again
        )

        def on_told(job: PipelineJob, told: Told, was_there: bool) -> None:
            found.append(Found(told, was_there))
            on_done(job)

        try:
            return found, run_pipeline(what.jobs, run, on_told)
        except KeyboardInterrupt:
            output.say(
                f"{len(found)} of {total} models are done and kept in {what.folder}, and so are "
                "the trials of the next: the same command goes on there"
            )
            raise


def count_promoted(found: Sequence[Found]) -> int:
    """Return how many models passed the gate."""
    return sum(isinstance(one.told, ModelReport) and one.told.verdict.promoted for one in found)


def pipeline_settings(run: RunSettings | None, changes: dict[str, Any]) -> PipelineSettings:
    """Return the run's settings, or the defaults, with what the command line changes."""
    base = run.pipeline if run is not None else PipelineSettings()
    return decode_strict(msgspec.to_builtins(base) | changes, PipelineSettings, "command line")


def check_learners(settings: PipelineSettings) -> None:
    """Raise ConfigError for a learner that there is not."""
    for learner in (*settings.learners, *settings.tuned):
        check_learner(learner)


def pipeline_jobs(
    jobs: Sequence[Job], reader: SampleReader, asked: PipelineAsked
) -> list[PipelineJob]:
    """Return a job for each model: of a strategy, or of a strategy on a symbol.

    Two that would have the same files are told apart by their mark.
    """
    made: list[PipelineJob] = []
    stems: set[str] = set()
    for job in jobs:
        for symbol in _symbols(job, reader, is_each=asked.per_symbol):
            name, mark, number = job.settings.name, job.mark, 1
            while FileNames(name, symbol, mark).stem in stems:
                number += 1
                mark = f"{job.mark or 'number'}{number}"
            stems.add(FileNames(name, symbol, mark).stem)
            made.append(PipelineJob(name, symbol, _reading(reader, job, symbol), mark))
    return made


def _symbols(job: Job, reader: SampleReader, *, is_each: bool) -> Iterator[str | None]:
    if is_each:
        yield from reader.symbols(job)
    elif job.winner is not None and job.winner.symbol != EVERY_SYMBOL:
        yield job.winner.symbol
    else:
        yield job.symbols[0] if len(job.symbols) == 1 else None


def _reading(reader: SampleReader, job: Job, symbol: str | None) -> Callable[[], JobSamples]:
    return lambda: reader.read(job, symbol)


def _check(plan: Plan, asked: PipelineAsked) -> None:
    """Raise ConfigError for what is wrong for all models; what is wrong for one fails alone."""
    if asked.served and plan.run is None:
        raise ConfigError("--served needs a run file, whose feature database is read: --config")
    if plan.run is not None:
        check_run(plan.run)
    check_learners(pipeline_settings(plan.run, asked.changes))
    if asked.extraction.winners is not None:
        return
    for job in plan.jobs:
        name = job.settings.rule_name
        if name != EXTERNAL:
            path = f"strategies.{job.settings.name}.params"
            load_strategy(name).decode_params(job.settings.params, path)
        elif not asked.served:
            raise ConfigError(
                f"strategy {job.settings.name} is external, its signals are an engine's own: "
                "learn from what the stream recorded of them, --served"
            )


def _left_out(plan: Plan, asked: PipelineAsked) -> Iterator[str]:
    extraction = asked.extraction
    if asked.served or plan.run is None or extraction.winners or extraction.strategy:
        return
    yield from (one.name for one in plan.run.strategies if one.rule_name == EXTERNAL)
