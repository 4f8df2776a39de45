"""The model that the benchmarks of science judge: what `assay pipeline` freezes on given samples.

One place, so that all of them follow the house when it trains in another way.
"""

from dataclasses import fields

import msgspec
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from trainers.challenger import Challenger
from trainers.dataset import DAY_NS, Dataset
from trainers.onnx_export import native
from trainers.pipeline.model_training import freeze_model
from trainers.pipeline.pipeline_settings import PipelineSettings
from trainers.pipeline.training_task import TrainingPlace, TrainingTask

TASK = TrainingTask(strategy="benchmark")
SHARE_LEAST = 1e-9

Floats = NDArray[np.float64]


def trained(training: Dataset, settings: PipelineSettings) -> Challenger:
    """Return the model that the pipeline freezes on all of `training`.

    The pipeline seals the newest samples of what it is given: here those that `sealed` adds.
    """
    settings = msgspec.structs.replace(settings, spans="share", holdout_share=SHARE_LEAST)
    with threadpool_limits(1):
        frozen = freeze_model(sealed(training, settings), TASK, settings, place_of(""))
    assert np.array_equal(frozen.spans.research.signal_ids, training.signal_ids)
    return frozen.challenger


def place_of(ledger: str) -> TrainingPlace:
    return TrainingPlace(ledger, storage=None, release="benchmark", now_ns=lambda: 0)


def sealed(training: Dataset, settings: PipelineSettings) -> Dataset:
    """The samples, and as many of them again as a gate needs, long after all others."""
    again = training.take(np.arange(min(settings.gate.outcomes_min, len(training))))
    embargo_ns = int(settings.embargo_days * DAY_NS)
    shift = int(training.exit_ts.max() - training.ts.min()) + embargo_ns + DAY_NS
    later = {name: getattr(again, name) + shift for name in ("ts", "entry_ts", "exit_ts")}
    later["signal_ids"] = np.char.add("sealed-", again.signal_ids)
    columns = {
        field.name: np.concatenate(
            (getattr(training, field.name), later.get(field.name, getattr(again, field.name)))
        )
        for field in fields(Dataset)
        if field.name != "names"
    }
    return Dataset(names=training.names, **columns)


def probability_of(model: Challenger, x: NDArray[np.float32]) -> Floats:
    """Return what a model says of x[n, k], float64[n]; the null model's word where it is silent."""
    said = model.probability(x)
    return np.where(np.isfinite(said), said, model.null_probability)


def unguarded(model: Challenger, x: NDArray[np.float32]) -> Floats:
    """Return what it would say of complete rows, were it never silenced."""
    return native(model.fitted, model.calibration, np.ascontiguousarray(x[:, model.columns]))
