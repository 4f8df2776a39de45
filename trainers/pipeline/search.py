"""The search: every learner that takes part, on the same folds, the tuned ones in many trials."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from trainers.dataset import DAY_NS, Dataset
from trainers.pipeline.pipeline_settings import LEGACY_GROUPS, LINE, PipelineSettings
from trainers.pipeline.training_task import Stage, TrainingPlace, TrainingTask
from trainers.splits import Split
from trainers.tuning.fold_plan import ChooseColumns, FoldPlan, choose_columns, plan_folds
from trainers.tuning.legacy_forest import LegacySettings, screen_columns, tune_legacy_forest
from trainers.tuning.tuning import Tuned, tune
from trainers.tuning.tuning_settings import TuningSettings
from trainers.tuning.tuning_study import identity_of

FOREST = "random_forest"
DIGITS = 16
LEGACY_RANDOM_SHARE = 0.4


class Searched(NamedTuple):
    """The folds, and what each learner's search came to, by its name.

    `choose` chose each fold's columns, and is to choose the model's. `is_walk`: no sample is
    tested by two folds.
    """

    plan: FoldPlan
    tuned: dict[str, Tuned]
    choose: ChooseColumns
    is_walk: bool


def search(
    research: Dataset,
    weights: NDArray[np.float64],
    splits: Iterable[Split],
    task: TrainingTask,
    settings: PipelineSettings,
    place: TrainingPlace,
) -> Searched:
    """Plan the folds and search the hyperparameters of every learner. Errors as `tune`."""
    if settings.legacy_forest:
        return _legacy(research, weights, task, settings, place)
    choose = partial(choose_columns, clusters=settings.clusters or None)
    plan = plan_folds(research, weights, splits, choose=choose)
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
            seed=settings.seed,
            workers=_workers(settings),
        )
        tuned[learner] = tune(
            learner,
            plan,
            tuning,
            storage=place.storage,
            study=f"{task.scope} {learner} {_digest(identity_of(learner, plan, tuning))}",
            on_trial=on_trial,
        )
    return Searched(plan, tuned, choose, is_walk=True)


def _legacy(
    research: Dataset,
    weights: NDArray[np.float64],
    task: TrainingTask,
    settings: PipelineSettings,
    place: TrainingPlace,
) -> Searched:
    done = 0

    def on_trial(_trial: object) -> None:
        nonlocal done
        done += 1
        place.on_stage(Stage(FOREST, done, settings.trials))

    legacy = LegacySettings(
        trials=settings.trials,
        random_trials=max(1, round(LEGACY_RANDOM_SHARE * settings.trials)),
        screened=settings.clusters or len(research.names),
        groups=settings.cpcv_groups or LEGACY_GROUPS,
        test_groups=settings.cpcv_test_groups,
        seed=settings.seed,
        workers=_workers(settings),
    )
    unplanned = FoldPlan(research, weights, ())
    embargo_ns = int(settings.embargo_days * DAY_NS)
    # What the folds of a plan tell of the others has to be told here: they are cut inside.
    identity = identity_of(FOREST, unplanned, legacy.tuning) | {
        "legacy": _told(legacy),
        "embargo_ns": embargo_ns,
        "release": place.release,
    }
    found = tune_legacy_forest(
        research,
        weights,
        legacy,
        embargo_ns=embargo_ns,
        storage=place.storage,
        study=f"{task.scope} legacy {_digest(identity)}",
        on_trial=on_trial,
    )
    screen = partial(
        screen_columns, keep=legacy.screened, trees=legacy.search_trees, seed=legacy.seed
    )
    return Searched(found.plan, {FOREST: found.tuned}, screen, is_walk=False)


def _told(legacy: LegacySettings) -> LegacySettings:
    """What a search depends on: not how many trials there are to be, nor who makes them."""
    return msgspec.structs.replace(legacy, trials=1, workers=1)


def _workers(settings: PipelineSettings) -> int:
    return settings.workers or os.cpu_count() or 1


def learners_of(settings: PipelineSettings) -> tuple[str, ...]:
    """Return who takes part: all, or the first beside the line where there is no ensemble."""
    if settings.ensemble:
        return settings.learners
    return tuple(dict.fromkeys((settings.learners[0], LINE)))


def _digest(identity: Mapping[str, Any]) -> str:
    """Stand for what a search depends on: with other samples or code it is another study."""
    told = msgspec.json.encode(dict(identity), order="sorted")
    return hashlib.sha256(told).hexdigest()[:DIGITS]
