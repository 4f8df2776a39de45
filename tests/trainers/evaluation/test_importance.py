"""Importance finds what the labels come from, and copies do not hide one another."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from tests.trainers.samples import dataset_of, layer_a_dataset
from trainers.challenger import fit_challenger
from trainers.evaluation.importance import (
    CONTRIBUTION_ROWS_MAX,
    PERMUTED_ROWS_MAX,
    Importance,
    correlated,
    importance_of,
)
from trainers.settings import TrainSettings

SETTINGS = TrainSettings(folds=2)
FIRST, COPIES = "x00", {"x08", "x16"}
SECOND, THIRD = "x01", "x02"
NOISE = {f"x{column}" for column in range(24, 40)}
"""Layer A: eight columns that the labels come from, two copies of each, and noise."""


def trained(learner: str = "logistic", count: int = 1_500, seed: int = 1):
    model = fit_challenger(layer_a_dataset(count, seed), learner, SETTINGS)
    assert model is not None
    return model


@pytest.fixture(scope="module")
def logistic():
    return trained()


@pytest.fixture(scope="module")
def outcomes():
    return layer_a_dataset(2_000, 99)


def test_what_the_labels_come_from_is_worth_more_than_noise(logistic, outcomes):
    found = importance_of(logistic, outcomes)
    assert found.reason is None
    assert found.permuted_rows == PERMUTED_ROWS_MAX
    assert found.contribution_rows == CONTRIBUTION_ROWS_MAX
    first, second = found.permuted[:2]
    assert {FIRST, SECOND} <= {*first.features, *second.features}
    assert first.lost > 0.01 > 3 * first.spread
    assert first.low <= first.lost <= first.high
    noise = [one for one in found.permuted if NOISE.issuperset(one.features)]
    assert len(noise) == 16
    assert all(abs(one.lost) < first.lost / 4 for one in noise)
    assert sorted(one.lost for one in found.permuted)[::-1] == [o.lost for o in found.permuted]
    assert msgspec.json.decode(msgspec.json.encode(found), type=Importance) == found


def test_copies_are_handed_out_together_and_do_not_hide_one_another(logistic, outcomes):
    groups = importance_of(logistic, outcomes).permuted
    (together,) = [one for one in groups if FIRST in one.features]
    alone = importance_of(logistic, outcomes, groups=()).permuted
    assert {FIRST, *COPIES} == set(together.features)
    assert all(len(one.features) == 1 for one in alone)
    assert len(alone) == logistic.columns.size
    hidden = max(one.lost for one in alone if one.features[0] in together.features)
    assert together.lost > 1.5 * hidden


def test_named_groups_are_taken_as_they_are(logistic, outcomes):
    groups = ((FIRST, SECOND), ("unheard of", THIRD))
    found = importance_of(logistic, outcomes, groups=groups)
    features = [one.features for one in found.permuted]
    assert (FIRST, SECOND) in features
    assert (THIRD,) in features
    assert sum(len(names) for names in features) == logistic.columns.size


def test_direction_is_that_of_the_effect(logistic, outcomes):
    found = {one.feature: one for one in importance_of(logistic, outcomes).contributions}
    assert found[FIRST].direction > 0.9
    assert found[SECOND].direction < -0.9
    assert sum(one.share for one in found.values()) == pytest.approx(1.0)


def test_the_same_seed_gives_the_same_figures(logistic, outcomes):
    few = outcomes.take(np.arange(100))
    assert importance_of(logistic, few, seed=3) == importance_of(logistic, few, seed=3)
    assert importance_of(logistic, few, seed=3) != importance_of(logistic, few, seed=4)


def test_a_model_of_noise_loses_nothing():
    samples = layer_a_dataset(600, 3)
    y = np.random.default_rng(4).permutation(samples.y)
    model = fit_challenger(replace(samples, y=y), "logistic", SETTINGS)
    found = importance_of(model, layer_a_dataset(1_000, 5))
    assert max(one.lost for one in found.permuted) < 0.005


def test_too_few_whole_samples_say_so(logistic, outcomes):
    x = outcomes.x[:30].copy()
    x[5:, 3] = np.nan
    found = importance_of(logistic, replace(outcomes.take(np.arange(30)), x=x))
    assert found.permuted == found.contributions == ()
    assert found.reason == "importance needs 20 samples without unknown features, was 5"


def test_correlated_columns_are_of_one_group():
    z = np.random.default_rng(1).standard_normal((500, 3))
    noise = np.random.default_rng(2).standard_normal((500, 2))
    x = np.column_stack((z[:, 0], z[:, 1], -z[:, 0] + 0.3 * noise[:, 0], z[:, 2]))
    groups = correlated(x.astype(np.float32))
    assert [group.tolist() for group in groups] == [[0, 2], [1], [3]]
    assert [group.tolist() for group in correlated(x[:, :1].astype(np.float32))] == [[0]]


def test_a_still_feature_has_no_direction():
    rng = np.random.default_rng(1)
    z = rng.standard_normal((600, 2))
    samples = dataset_of(z, (z[:, 0] + rng.standard_normal(600) > 0).astype(np.int64))
    model = fit_challenger(samples, "logistic", SETTINGS)
    x = samples.x.copy()
    x[:, 1] = 0.5
    found = importance_of(model, replace(samples, x=x))
    assert {one.feature: one.direction is None for one in found.contributions} == {
        "x00": False,
        "x01": True,
    }
