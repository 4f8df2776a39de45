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
    assert Estimate(0.2, 0.0, 10).p_value_above_zero() == 0.0
