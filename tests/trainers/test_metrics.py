"""Figures agree with their definitions, and errors count clusters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss, roc_auc_score

from trainers.metrics import Estimate, auc, auc_difference, clustered_mean, log_losses

labelled = st.lists(
    st.tuples(st.integers(0, 1), st.integers(1, 9)), min_size=2, max_size=60
).filter(lambda rows: len({y for y, _ in rows}) == 2)


def columns(rows):
    y = np.array([y for y, _ in rows], dtype=np.int8)
    return y, np.array([score / 10 for _, score in rows])


@given(labelled)
def test_auc_and_log_loss_agree_with_scikit_learn(rows):
    y, p = columns(rows)
    assert auc(y, p) == pytest.approx(roc_auc_score(y, p))
    assert log_losses(y, p).mean() == pytest.approx(log_loss(y, p))


def test_auc_without_two_classes_is_a_half():
    assert auc(np.ones(3, dtype=np.int8), np.arange(3.0)) == 0.5


@given(labelled)
def test_a_score_is_no_better_than_itself(rows):
    y, p = columns(rows)
    difference = auc_difference(y, p, p, np.arange(y.size))
    assert difference.value == pytest.approx(0.0)
    assert difference.p_value_above_zero() == 1.0


def test_error_of_the_mean_of_independent_values_is_the_textbook_one():
    values = np.random.default_rng(1).normal(size=400)
    estimate = clustered_mean(values, np.arange(400))
    assert estimate.error == pytest.approx(values.std(ddof=1) / 20.0)


def test_a_hundred_copies_in_a_day_are_one_piece_of_evidence():
    values = np.random.default_rng(2).normal(size=50)
    alone = clustered_mean(values, np.arange(50))
    copied = clustered_mean(np.repeat(values, 100), np.repeat(np.arange(50), 100))
    assert copied.error == pytest.approx(alone.error)
    assert copied.clusters == 50


def test_error_of_an_auc_difference_covers_what_chance_does():
    rng = np.random.default_rng(3)
    zs = []
    for _ in range(200):
        y = rng.integers(0, 2, 300).astype(np.int8)
        first, second = rng.normal(size=(2, 300))
        estimate = auc_difference(y, first, second, np.arange(300))
        zs.append(estimate.value / estimate.error)
    assert 0.85 < np.std(zs) < 1.15


def test_a_single_cluster_proves_nothing():
    assert clustered_mean(np.ones(5), np.zeros(5, dtype=np.int64)).p_value_above_zero() == 1.0
    assert Estimate(0.2, 0.0, 10, 9.0).p_value_above_zero() == 0.0


UNEVEN = {
    "one day of nearly all": [181, *[1] * 19],
    "one of half": [100, *[5] * 20],
    "each half of the last": [100, 50, 25, 13, 6, 3, 2, 1],
    "two days": [100, 100],
}


@pytest.mark.parametrize("shared", [0.0, 1.0], ids=["of itself", "of its day"])
@pytest.mark.parametrize("sizes", UNEVEN.values(), ids=UNEVEN)
def test_few_or_uneven_days_show_chance_as_skill_no_more_often_than_said(sizes, shared: float):
    rng = np.random.default_rng(5)
    days = np.repeat(np.arange(len(sizes)), sizes)
    areas, means = [], []
    for _ in range(300):
        chances, score = (
            shared * rng.standard_normal(len(sizes))[days]
            + (1.0 - shared) * rng.standard_normal(days.size)
            for _ in range(2)
        )
        y = (rng.random(days.size) < 1.0 / (1.0 + np.exp(-chances))).astype(np.int8)
        estimate = auc_difference(y, score, np.zeros(days.size), days)
        areas.append(estimate.p_value_above_zero() < 0.05)
        means.append(clustered_mean(chances, days).p_value_above_zero() < 0.05)
    assert max(np.mean(areas), np.mean(means)) < 0.09


def test_of_a_class_that_one_day_holds_no_error_is_known():
    y = np.repeat([0, 1, 1], 40).astype(np.int8)
    estimate = auc_difference(
        y, np.linspace(0.0, 1.0, 120), np.zeros(120), np.repeat([0, 1, 2], 40)
    )
    assert (estimate.value, estimate.p_value_above_zero()) == (0.5, 1.0)
