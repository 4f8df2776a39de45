"""Folds are planned once, each from its own training rows."""

from dataclasses import replace

import numpy as np
import pytest

from streams.errors import DataError
from tests.trainers.samples import dataset_of, layer_a_dataset, noise_dataset, with_signal_columns
from trainers.challenger import out_of_fold_margins
from trainers.dataset import Dataset
from trainers.learner import load_learner
from trainers.sample_weights import weights_of
from trainers.settings import TrainSettings
from trainers.splits import Split
from trainers.tuning.fold_plan import FoldPlan, choose_columns, out_of_fold, plan_folds
from trainers.validation.combinatorial_purged import CombinatorialPurged
from trainers.validation.purged_k_fold import PurgedKFold
from trainers.validation.walk_forward import WalkForward

FOLDS = 5


def splits_of(samples: Dataset, folds: int = FOLDS) -> list[Split]:
    return list(WalkForward(folds, start_ts=samples.ts, end_ts=samples.exit_ts).split())


def planned(samples: Dataset, *, clusters: int | None = 30) -> FoldPlan:
    return plan_folds(samples, weights_of(samples), splits_of(samples), clusters=clusters)


def test_without_clusters_the_margins_are_those_of_the_challenger() -> None:
    samples = layer_a_dataset(400, seed=3)
    folds = list(PurgedKFold(FOLDS, start_ts=samples.ts, end_ts=samples.exit_ts).split())
    plan = plan_folds(samples, weights_of(samples), folds, clusters=None)
    ours = out_of_fold(plan, "logistic", seed=7, threads=1)
    theirs = out_of_fold_margins(samples, plan.weights, "logistic", TrainSettings(seed=7))
    np.testing.assert_array_equal(ours, theirs)


def test_a_cluster_sends_one_feature_and_the_signal_its_own_columns() -> None:
    samples = with_signal_columns(layer_a_dataset(500, seed=1))
    x = samples.x.copy()
    rng = np.random.default_rng(5)
    x[:, -2] = x[:, 0]  # a score that orders the rows as the first feature does
    x[:, -1] = rng.choice([-1.0, 1.0], len(samples))
    samples = replace(samples, x=x)
    columns = choose_columns(samples, weights_of(samples), clusters=12)
    assert columns.size == 12 + 2
    assert columns[-2:].tolist() == [40, 41]
    assert np.all(np.diff(columns) > 0)


def test_a_column_that_never_varies_is_nobodys_choice() -> None:
    samples = with_signal_columns(noise_dataset(200, seed=2, columns=6))
    chosen = choose_columns(samples, weights_of(samples), clusters=30)
    assert chosen.tolist() == [0, 1, 2, 3, 4, 5]


def test_what_a_fold_chooses_and_fits_knows_no_other_row() -> None:
    samples = layer_a_dataset(400, seed=4)
    plan = planned(samples, clusters=10)
    rng = np.random.default_rng(0)
    for number, fold in enumerate(plan.folds):
        others = np.setdiff1d(np.arange(len(samples)), fold.train)
        x, y = samples.x.copy(), samples.y.copy()
        x[others] = rng.standard_normal((others.size, x.shape[1])) * 1e6
        y[others] = 1 - y[others]
        changed = replace(samples, x=x, y=y)
        other = plan_folds(changed, plan.weights, splits_of(changed), clusters=10).folds[number]
        assert other.columns.tolist() == fold.columns.tolist()
        np.testing.assert_array_equal(other.x, fold.x)
        np.testing.assert_array_equal(other.y, fold.y)


def test_folds_choose_for_themselves() -> None:
    plan = planned(noise_dataset(300, seed=6, columns=20), clusters=5)
    assert all(len(choice) == 5 for choice in plan.choices)
    assert len(set(plan.choices)) > 1


def test_incomplete_rows_are_neither_fitted_nor_predicted() -> None:
    samples = layer_a_dataset(400, seed=8)
    x = samples.x.copy()
    x[::25, 3] = np.nan
    plan = planned(replace(samples, x=x), clusters=None)
    assert all(np.isfinite(fold.x).all() and np.isfinite(fold.x_test).all() for fold in plan.folds)
    assert not plan.tested[::25].any()
    margins = out_of_fold(plan, "logistic", seed=7, threads=1)
    np.testing.assert_array_equal(np.isfinite(margins), plan.tested)


def test_a_fold_of_one_class_is_left_out() -> None:
    rng = np.random.default_rng(1)
    y = (rng.random(400) < 0.5).astype(np.int64)
    y[:140] = 0
    plan = planned(dataset_of(rng.standard_normal((400, 5)), y))
    assert len(plan.folds) == FOLDS - 2
    assert all(0 < fold.y.sum() < fold.y.size for fold in plan.folds)


def test_a_row_that_many_folds_predict_has_the_mean_of_their_margins() -> None:
    samples = layer_a_dataset(300, seed=9)
    splits = CombinatorialPurged(4, 2, start_ts=samples.ts, end_ts=samples.exit_ts).split()
    plan = plan_folds(samples, weights_of(samples), splits, clusters=None)
    margins = out_of_fold(plan, "logistic", seed=7, threads=1)
    fit = load_learner("logistic").fit
    one = [
        fit(fold.x, fold.y, fold.weights, seed=7, threads=1).margin(fold.x_test)[fold.test == 0]
        for fold in plan.folds
    ]
    assert margins[0] == pytest.approx(np.concatenate(one).mean())
    assert sum(part.size for part in one) == 3


def test_nobody_can_change_what_the_trials_share() -> None:
    fold = planned(noise_dataset(200, seed=1, columns=4)).folds[0]
    assert fold.x.flags.c_contiguous
    assert fold.x_test.flags.c_contiguous
    with pytest.raises(ValueError, match="read-only"):
        fold.x[0, 0] = 1.0


def test_weights_that_are_not_one_for_each_sample_are_refused() -> None:
    samples = noise_dataset(100, seed=1, columns=4)
    with pytest.raises(DataError, match="one for each of 100 samples"):
        plan_folds(samples, np.ones(99), splits_of(samples))
