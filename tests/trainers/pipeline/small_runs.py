"""Small runs of the pipeline: two learners, a few trials, samples with a known answer."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from models.signing import SigningKey
from tests.trainers.samples import layer_a_dataset
from trainers.dataset import Dataset
from trainers.model_writing import write_model
from trainers.pipeline.model_training import FrozenModel, configuration_digest
from trainers.pipeline.pipeline_run import JobSamples, PipelineJob, PipelineRun
from trainers.pipeline.pipeline_settings import PipelineSettings
from trainers.pipeline.training_task import Stage, TrainingPlace, TrainingTask

NOW_TS = 1_760_000_000_000_000_000
SIGNER = SigningKey(bytes(range(32)))
TASK = TrainingTask(strategy="rsi2", rule="rsi2")
SETTINGS = PipelineSettings(
    spans="share",
    learners=("lightgbm", "logistic"),
    tuned=("lightgbm",),
    trials=3,
    folds=3,
    cpcv_groups=0,
    workers=1,
)


def settings_with(**changes: Any) -> PipelineSettings:
    return msgspec.structs.replace(SETTINGS, **changes)


def place_in(
    folder: Path,
    on_stage: Callable[[Stage], None] = lambda _stage: None,
    now_ns: Callable[[], int] = lambda: NOW_TS,
) -> TrainingPlace:
    return TrainingPlace(folder / "ledger.db", folder / "trials.db", "1.2.3", now_ns, on_stage)


def run_in(folder: Path, settings: PipelineSettings = SETTINGS, **changes: Any) -> PipelineRun:
    run = PipelineRun(settings, place_in(folder), folder, SIGNER, "winners.json")
    return run._replace(**changes)


def job_of(
    samples: Dataset, symbol: str | None = None, strategy: str = "rsi2", mark: str = ""
) -> PipelineJob:
    task = TrainingTask(strategy=strategy, symbol=symbol, rule="rsi2")
    return PipelineJob(strategy, symbol, lambda: JobSamples(samples, task), mark)


def bytes_of(frozen: FrozenModel) -> tuple[bytes, bytes, str, tuple[str, ...]]:
    """All that is deployed of a frozen model, and what stands for it."""
    figures = {
        "threshold": frozen.threshold.value,
        "null": frozen.challenger.null_probability,
        "out_of_fold": float(np.nansum(frozen.out_of_fold)),
    }
    card, onnx = write_model(
        frozen.challenger, strategy="rsi2", symbol=None, seed=7, figures=figures, code_version="1"
    )
    return card, onnx, configuration_digest(frozen), frozen.warnings


def spread(samples: Dataset, first: str, last: str, hold_days: int = 3) -> Dataset:
    """The same samples evenly from day to day; their labels close `hold_days` later."""
    from_ts, to_ts = (int(np.datetime64(day, "ns").astype(np.int64)) for day in (first, last))
    ts = np.linspace(from_ts, to_ts, len(samples)).astype(np.int64)
    day = 86_400_000_000_000
    return replace(samples, ts=ts, entry_ts=ts + day // 2, exit_ts=ts + hold_days * day)


def planted(count: int = 1_200, seed: int = 1) -> Dataset:
    return layer_a_dataset(count, seed, bayes_auc=0.70)


def spoiled(samples: Dataset, rows: np.ndarray) -> Dataset:
    """Other vectors, outcomes and exits at `rows`, some of them unknown or far out."""
    rng = np.random.default_rng(5)
    count = int(rows.sum())
    x, y, earned, exits = (
        np.array(column) for column in (samples.x, samples.y, samples.r_multiple, samples.exit_ts)
    )
    x[rows] = 1e6 * rng.standard_normal((count, x.shape[1]))
    x[np.flatnonzero(rows)[::2]] = np.nan
    y[rows] = 1
    earned[rows] = 1_000.0 * rng.standard_normal(count)
    exits[rows] += 400 * 86_400_000_000_000
    symbols = np.where(rows, "ZZ", samples.symbols)
    return replace(samples, x=x, y=y, r_multiple=earned, exit_ts=exits, symbols=symbols)
