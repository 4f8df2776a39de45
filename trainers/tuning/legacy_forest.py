"""The original's way to a random forest: screened features, a random search, then a Bayesian one,
all of it judged by combinatorial purged cross-validation.

Inside every split a quick forest ranks the features on the training rows, and the most important
are kept. The first trials are random, the others come from Optuna's TPE. Trials grow few
trees: their errors stand out as clearly as a full forest's, in a quarter of the time. What is
chosen is then grown in full on every split, so that its paths are those of the final model.

`random_forest` under `tune` is the same learner on walk-forward folds; this way is there for whom
the original's is wanted.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from trainers.columns import complete_rows, usable_columns
from trainers.dataset import Dataset
from trainers.learners import random_forest
from trainers.tuning.fold_plan import FoldPlan, fold_margin, plan_folds
from trainers.tuning.trial_score import score_margins
from trainers.tuning.tuning import Tuned, tune
from trainers.tuning.tuning_settings import TRIALS_MAX, WORKERS_MAX, TuningSettings
from trainers.tuning.tuning_trial import TuningTrial
from trainers.validation.combinatorial_purged import CombinatorialPurged

LEARNER = "random_forest"
SEARCH_TREES = 64
_DECIMALS = 12
"""Importances that agree so far are a tie, which the first name wins."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Trees = Annotated[int, msgspec.Meta(ge=1, le=random_forest.TREES)]


class LegacySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`trials`, of which the first `random_trials` are random; `screened` features are kept.

    A forest has `search_trees` in the search and the screening, and `trees` in the end. `groups`
    and `test_groups` are those of CombinatorialPurged; the rest as in TuningSettings.
    """

    trials: Annotated[int, msgspec.Meta(ge=1, le=TRIALS_MAX)] = 50
    random_trials: Annotated[int, msgspec.Meta(ge=1)] = 20
    screened: Annotated[int, msgspec.Meta(ge=1)] = 30
    search_trees: Trees = SEARCH_TREES
    trees: Trees = random_forest.TREES
    groups: Annotated[int, msgspec.Meta(ge=2, le=20)] = 6
    test_groups: Annotated[int, msgspec.Meta(ge=1, le=10)] = 2
    improvement_errors: Annotated[float, msgspec.Meta(ge=0.0)] = 1.0
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 7
    workers: Annotated[int, msgspec.Meta(ge=1, le=WORKERS_MAX)] = 2

    @property
    def tuning(self) -> TuningSettings:
        """The settings of the search itself."""
        return TuningSettings(
            trials=self.trials,
            startup_trials=self.random_trials,
            improvement_errors=self.improvement_errors,
            seed=self.seed,
            workers=self.workers,
        )


class LegacyForest(NamedTuple):
    """What the search found. `tuned.margins` are the mean of `paths` float64[n_paths, n], NaN
    where a split could not be fitted or a row is incomplete.
    """

    tuned: Tuned
    plan: FoldPlan
    paths: Floats


def tune_legacy_forest(
    samples: Dataset,
    weights: Floats,
    settings: LegacySettings,
    *,
    embargo_ns: int = 0,
    storage: str | Path | None = None,
    study: str = "",
    on_trial: Callable[[TuningTrial], None] = lambda trial: None,
) -> LegacyForest:
    """Search a random forest's hyperparameters on `samples`, with one weight each.

    The model itself is then fitted to the columns that `screen_columns` gives for all of them.
    Raises what `tune` and `CombinatorialPurged` raise.
    """
    splitter = CombinatorialPurged(
        settings.groups,
        settings.test_groups,
        embargo_ns=embargo_ns,
        start_ts=samples.ts,
        end_ts=samples.exit_ts,
    )
    screen = partial(
        screen_columns, keep=settings.screened, trees=settings.search_trees, seed=settings.seed
    )
    plan = plan_folds(samples, weights, splitter.split(), choose=screen)
    quick = tune(
        LEARNER,
        plan,
        settings.tuning,
        storage=storage,
        study=study,
        on_trial=on_trial,
        fixed={"trees": settings.search_trees},
    )
    params = msgspec.structs.replace(quick.params, trees=settings.trees)
    paths = _paths(plan, splitter, params, settings)
    return LegacyForest(_in_full(quick, plan, params, paths), plan, paths)


def screen_columns(
    samples: Dataset, weights: Floats, *, keep: int, seed: int, trees: int = SEARCH_TREES
) -> Ints:
    """Return the `keep` usable columns most important to a quick forest, int64[k] ascending.

    By the mean decrease in impurity. The signal's own columns are ranked with the others. Of a
    sample with one class, all usable columns.
    """
    columns = usable_columns(samples.x)
    rows = np.flatnonzero(complete_rows(samples.x, columns))
    y = samples.y[rows]
    if columns.size <= keep or not 0 < int(y.sum()) < y.size:
        return columns
    x = np.ascontiguousarray(samples.x[np.ix_(rows, columns)])
    quick = random_forest.Params(trees=trees)
    forest = random_forest.fit(x, y, weights[rows], seed=seed, threads=1, params=quick)
    importance = np.mean([tree.compute_feature_importances() for tree in forest.trees], axis=0)
    names = [samples.names[column] for column in columns]
    ranked = np.lexsort((names, -importance.round(_DECIMALS)))
    return np.sort(columns[ranked[:keep]])


def _paths(
    plan: FoldPlan,
    splitter: CombinatorialPurged,
    params: msgspec.Struct,
    settings: LegacySettings,
) -> Floats:
    with ThreadPoolExecutor(settings.workers, "assay-forest") as pool:
        margin = partial(fold_margin, learner=LEARNER, params=params, seed=settings.seed, threads=1)
        found = list(pool.map(margin, plan.folds))
    predictions = [np.full(split.test.size, np.nan) for split in splitter.split()]
    tests = [split.test for split in splitter.split()]
    for fold, margins in zip(plan.folds, found, strict=True):
        predictions[fold.number][np.searchsorted(tests[fold.number], fold.test)] = margins
    return splitter.paths(predictions)


def _in_full(quick: Tuned, plan: FoldPlan, params: msgspec.Struct, paths: Floats) -> Tuned:
    """The result of the search with the margins of the full forest in place of the quick one."""
    known = np.isfinite(paths)
    total, count = np.where(known, paths, 0.0).sum(axis=0), known.sum(axis=0)
    margins = np.divide(total, count, out=np.full(total.size, np.nan), where=count > 0)
    rows = np.flatnonzero(count)
    score = score_margins(margins[rows], plan.samples.y[rows], plan.weights[rows])
    return Tuned(
        learner=LEARNER,
        params=params,
        margins=margins,
        trials=quick.trials,
        is_default=quick.is_default,
        value=score.value,
        default_value=quick.default_value,
    )
