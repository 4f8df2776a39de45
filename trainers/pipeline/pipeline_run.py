"""The pipeline over many models: one after the other, each whole or not there, resumed by itself.

A model whose account is in the results already, made of the same samples by the same settings and
code, is not made again. One that fails is told, and does not stop the others.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from models.signing import SigningKey
from streams.errors import AssayError, ConfigError, DataError, without_passwords
from trainers.dataset import Dataset
from trainers.pipeline.account import account_of
from trainers.pipeline.model_files import FileNames, has_model_files, write_model_files
from trainers.pipeline.model_report import ModelFailure, ModelReport
from trainers.pipeline.model_training import export_model, freeze_model, judge_model
from trainers.pipeline.pipeline_results import (
    VERSION,
    PipelineResults,
    check_finite,
    read_results,
    write_results,
)
from trainers.pipeline.pipeline_settings import PipelineSettings, settings_told
from trainers.pipeline.search_account import count_trials
from trainers.pipeline.training_task import TrainingPlace, TrainingTask
from trainers.reports.pipeline_page import write_pipeline_page
from trainers.served_difference import ServedDifference

RESULTS_FILE = "pipeline_results.json"
PAGE_FILE = "pipeline_report.html"
REASON_CHARS_MAX = 500

Told = ModelReport | ModelFailure


class JobSamples(NamedTuple):
    """The samples of a job, and how the served vectors differ from them where both were had."""

    samples: Dataset
    task: TrainingTask
    served_difference: ServedDifference | None = None


class PipelineJob(NamedTuple):
    """One model to make. `read` gives its samples when their turn comes; `mark` tells it from
    others of its strategy and symbol in the names of files.
    """

    strategy: str
    symbol: str | None
    read: Callable[[], JobSamples]
    mark: str = ""


class PipelineRun(NamedTuple):
    """What all jobs share. `folder` is where files go, `signer` signs the models.

    `created_from` is told in the results; `again`: what is there already is made again.
    """

    settings: PipelineSettings
    place: TrainingPlace
    folder: Path
    signer: SigningKey
    created_from: str
    again: bool = False


def run_pipeline(
    jobs: Iterable[PipelineJob],
    run: PipelineRun,
    on_told: Callable[[PipelineJob, Told, bool], None] = lambda _job, _told, _found: None,
) -> PipelineResults:
    """Make the model of every job, write its files, and return the results.

    The file of results also keeps the accounts of models that earlier runs made in the folder and
    this one was not asked for. `on_told` hears of each, and whether it was there already.
    """
    earlier = _earlier(run.folder / RESULTS_FILE)
    before = () if run.again else earlier
    kept = tuple(one for one in earlier if isinstance(one, ModelReport))
    told: list[Told] = []
    for job in jobs:
        result, was_found = _told_of(job, run, before)
        told.append(result)
        _write(PipelineResults(VERSION, run.created_from, _merged(told, kept)), run.folder)
        on_told(job, result, was_found)
    return PipelineResults(VERSION, run.created_from, tuple(told))


def _write(results: PipelineResults, folder: Path) -> None:
    write_results(results, folder / RESULTS_FILE)
    try:
        write_pipeline_page(results, folder / PAGE_FILE)
    except OSError as error:
        raise DataError(
            f"the page of all models cannot be written to {folder / PAGE_FILE}: "
            f"{error.strerror or error}; name another --output-dir"
        ) from None


def _told_of(job: PipelineJob, run: PipelineRun, before: tuple[Told, ...]) -> tuple[Told, bool]:
    try:
        found = job.read()
        earlier = _same(found, run, before)
        names = FileNames(job.strategy, job.symbol, job.mark)
        if earlier is not None and has_model_files(earlier, names, run.folder, run.signer):
            return earlier, True
        return _made(found, job, run), False
    except AssayError as error:
        return ModelFailure(strategy=job.strategy, symbol=job.symbol, reason=str(error)), False
    except Exception as error:
        # A library's own error, of one model's samples: the other models are made all the same.
        words = " ".join(without_passwords(str(error)).split())[:REASON_CHARS_MAX]
        reason = f"{type(error).__name__}: {words}; this was not foreseen, please report it"
        return ModelFailure(strategy=job.strategy, symbol=job.symbol, reason=reason), False


def _made(found: JobSamples, job: PipelineJob, run: PipelineRun) -> ModelReport:
    frozen = freeze_model(found.samples, found.task, run.settings, run.place)
    count_trials(frozen, found.task, run.place)
    judged = judge_model(frozen, found.task, run.settings, run.place)
    report = account_of(
        judged, found.samples, found.task, run.settings, run.place, found.served_difference
    )
    check_finite(report)
    model = None
    if judged.verdict.promoted:
        model = export_model(judged, found.task, run.settings, run.place.release)
    names = FileNames(job.strategy, job.symbol, job.mark)
    return write_model_files(report, model, names, run.folder, run.signer)


def _earlier(path: Path) -> tuple[Told, ...]:
    if not path.exists():
        return ()
    try:
        return read_results(path).models
    except ConfigError:
        # Of another version: made anew.
        return ()


def _same(found: JobSamples, run: PipelineRun, before: tuple[Told, ...]) -> ModelReport | None:
    task = found.task
    asked = (
        (task.strategy, task.symbol, task.interval, found.samples.digest()),
        _plain(task.params),
        (run.place.release, _plain(settings_told(run.settings))),
        (task.vectors, task.chosen_from_ts, task.chosen_to_ts),
        found.served_difference,
    )
    for one in before:
        if not isinstance(one, ModelReport):
            continue
        identity = one.identity
        told = (
            (identity.strategy, identity.symbol, identity.interval, identity.data_digest),
            _plain(identity.params),
            (identity.code_version, _plain(one.settings)),
            (one.samples.vectors, identity.chosen_from_ts, identity.chosen_to_ts),
            one.served_difference,
        )
        if told == asked:
            return one
    return None


def _plain(values: dict[str, Any]) -> bytes:
    """A mapping as its file holds it: a tuple is a list there."""
    return msgspec.json.encode(values, order="sorted")


def _merged(told: list[Told], before: tuple[Told, ...]) -> tuple[Told, ...]:
    made = {_key(one) for one in told}
    return (*told, *(one for one in before if _key(one) not in made))


def _key(told: Told) -> tuple[str, str | None, bytes]:
    if isinstance(told, ModelFailure):
        return told.strategy, told.symbol, b""
    identity = told.identity
    return identity.strategy, identity.symbol, _plain(identity.params)
