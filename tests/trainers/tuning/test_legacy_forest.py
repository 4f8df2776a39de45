"""The original's random forest: screened, searched and judged under combinatorial purging."""

from dataclasses import replace
from functools import partial

import msgspec
import numpy as np
import pytest

from tests.trainers.samples import layer_a_dataset, noise_dataset
from trainers.challenger import weights_of
from trainers.dataset import Dataset
from trainers.learner import load_learner
from trainers.metrics import auc
from trainers.tuning.fold_plan import plan_folds
from trainers.tuning.legacy_forest import (
    LegacyForest,
    LegacySettings,
    screen_columns,
    tune_legacy_forest,
)
from trainers.validation.combinatorial_purged import CombinatorialPurged

SMALL = LegacySettings(trials=4, random_trials=2, screened=12, groups=4, search_trees=8, trees=16)


@pytest.fixture(scope="module")
def samples() -> Dataset:
    return layer_a_dataset(240, seed=5)


@pytest.fixture(scope="module")
def found(samples: Dataset) -> LegacyForest:
    return tune_legacy_forest(samples, weights_of(samples), SMALL)


def test_every_sample_is_predicted_once_on_every_path(found: LegacyForest) -> None:
    assert found.paths.shape == (3, 240)
    assert np.isfinite(found.paths).all()
    assert not np.array_equal(found.paths[0], found.paths[1])
    np.testing.assert_allclose(found.tuned.margins, found.paths.mean(axis=0))


def test_the_paths_are_those_of_the_whole_forest(found: LegacyForest, samples: Dataset) -> None:
    assert found.tuned.params.trees == SMALL.trees
    assert all(trial.params["trees"] == SMALL.search_trees for trial in found.tuned.trials)
    fold = found.plan.folds[0]
    fitted = load_learner("random_forest").fit(
        fold.x, fold.y, fold.weights, seed=SMALL.seed, threads=1, params=found.tuned.params
    )
    np.testing.assert_array_equal(found.paths[0, fold.test], fitted.margin(fold.x_test))


def test_workers_change_nothing(found: LegacyForest, samples: Dataset) -> None:
    alone = msgspec.structs.replace(SMALL, workers=1)
    again = tune_legacy_forest(samples, weights_of(samples), alone)
    assert again.tuned.params == found.tuned.params
    np.testing.assert_array_equal(again.paths, found.paths)


def test_incomplete_rows_are_missing_on_the_paths(samples: Dataset) -> None:
    x = samples.x.copy()
    x[7] = np.nan
    holed = replace(samples, x=x)
    paths = tune_legacy_forest(
        holed, weights_of(holed), msgspec.structs.replace(SMALL, trials=1)
    ).paths
    assert np.isnan(paths[:, 7]).all()
    assert np.isfinite(np.delete(paths, 7, axis=1)).all()


def test_screening_keeps_what_tells_the_classes_apart() -> None:
    samples = layer_a_dataset(1_500, seed=3)
    kept = screen_columns(samples, weights_of(samples), keep=12, seed=1)
    assert kept.size == 12
    assert np.all(np.diff(kept) > 0)
    noise = kept >= 24  # the last sixteen columns of Layer A
    assert noise.sum() <= 3
    few = replace(samples, x=samples.x[:, :5], names=samples.names[:5])
    assert screen_columns(few, weights_of(few), keep=12, seed=1).tolist() == [0, 1, 2, 3, 4]


def test_each_split_screens_on_its_own_training_rows(found: LegacyForest, samples: Dataset) -> None:
    screen = partial(screen_columns, keep=12, seed=SMALL.seed, trees=SMALL.search_trees)
    splits = CombinatorialPurged(4, 2, start_ts=samples.ts, end_ts=samples.exit_ts).split()
    for fold, split in zip(found.plan.folds, splits, strict=True):
        others = np.setdiff1d(np.arange(len(samples)), fold.train)
        x = samples.x.copy()
        x[others, 30] = np.where(samples.y[others] == 1, 50.0, -50.0)
        told = replace(samples, x=x)
        again = plan_folds(told, found.plan.weights, [split], choose=screen).folds[0]
        assert again.columns.tolist() == fold.columns.tolist()
    assert len(set(found.plan.choices)) > 1


def test_screening_of_noise_finds_nothing_out_of_fold() -> None:
    areas = []
    for seed in range(3):
        samples = noise_dataset(200, seed, columns=60)
        settings = msgspec.structs.replace(SMALL, trials=1, groups=3, test_groups=1)
        found = tune_legacy_forest(samples, weights_of(samples), settings)
        areas.append(auc(samples.y, found.tuned.margins))
    # Two errors of an area over 600 outcomes.
    assert abs(np.mean(areas) - 0.5) < 2.0 * np.sqrt(1.0 / 12.0 / 0.25 / 600)
