"""The search: every learner that takes part, on the same folds, the tuned ones in many trials."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from trainers.dataset import Dataset
from trainers.pipeline.pipeline_settings import PipelineSettings
from trainers.pipeline.training_task import Stage, TrainingPlace, TrainingTask
from trainers.splits import Split
from trainers.tuning.fold_plan import FoldPlan, plan_folds
from trainers.tuning.tuning import Tuned, tune
from trainers.tuning.tuning_settings import TuningSettings
from trainers.tuning.tuning_study import identity_of

FOREST, LINE = "random_forest", "logistic"
DIGITS = 16


class Searched(NamedTuple):
    """The folds, and what each learner's search came to, by its name."""

    plan: FoldPlan
    tuned: dict[str, Tuned]


def search(
    research: Dataset,
    weights: NDArray[np.float64],
    splits: Iterable[Split],
    task: TrainingTask,
    settings: PipelineSettings,
    place: TrainingPlace,
) -> Searched:
    """Plan the folds and search the hyperparameters of every learner. Errors as `tune`."""
    plan = plan_folds(research, weights, splits, clusters=settings.clusters or None)
    tuned: dict[str, Tuned] = {}
    for learner in learners_of(settings):
        trials = settings.trials if learner in settings.tuned else 1
        done = 0
        place.on_stage(Stage(learner, done, trials))

        def on_trial(_trial: object, name: str = learner, total: int = trials) -> None:
            nonlocal done
            done += 1
            place.on_stage(Stage(name, done, total))

        tuning = TuningSettings(
            trials=trials,
            folds=settings.folds,
            clusters=settings.clusters or None,
            seed=settings.seed,
            workers=settings.workers or os.cpu_count() or 1,
        )
        tuned[learner] = tune(
            learner,
            plan,
            tuning,
            storage=place.storage,
            study=f"{task.scope} {learner} {_digest(identity_of(learner, plan, tuning))}",
            on_trial=on_trial,
        )
    return Searched(plan, tuned)


def learners_of(settings: PipelineSettings) -> tuple[str, ...]:
    """Return who takes part: all, or the first beside the line where there is no ensemble."""
    if settings.ensemble:
        return settings.learners
    return tuple(dict.fromkeys((settings.learners[0], LINE)))


def _digest(identity: Mapping[str, Any]) -> str:
    """Stand for what a search depends on: with other samples or code it is another study."""
    told = msgspec.json.encode(dict(identity), order="sorted")
    return hashlib.sha256(told).hexdigest()[:DIGITS]
