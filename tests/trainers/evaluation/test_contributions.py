"""Contributions are Shapley values: exact where a learner knows them, else sampled."""

import itertools
import math

import numpy as np
import pytest

from tests.trainers.samples import layer_a_dataset
from trainers.blend import Blend, Member
from trainers.evaluation.contributions import contributions_of
from trainers.learner import load_learner

EXACT = ("logistic", "lightgbm", "xgboost", "catboost", "ensemble")


class Tangle:
    """A margin with interactions, without contributions of its own."""

    def margin(self, x):
        wide = x.astype(np.float64)
        return wide[:, 0] * wide[:, 1] + np.maximum(wide[:, 2], wide[:, 3]) - 0.5 * wide[:, 4]

    def add_margin(self, graph, features):
        raise NotImplementedError

    def edges(self):
        return []


def shapley(model, row, background):
    """By the definition: over all subsets, features that are in come from the row."""
    width = row.size
    values = np.zeros(width)

    def worth(inside):
        mixed = background.copy()
        mixed[:, list(inside)] = row[list(inside)]
        return model.margin(mixed).mean()

    for feature in range(width):
        others = [column for column in range(width) if column != feature]
        for size in range(width):
            weight = math.factorial(size) * math.factorial(width - size - 1)
            for inside in itertools.combinations(others, size):
                gain = worth((*inside, feature)) - worth(inside)
                values[feature] += weight / math.factorial(width) * gain
    return values


def rows(seed: int, count: int, width: int = 6):
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)


def test_sampled_values_are_those_of_the_definition():
    model, background, row = Tangle(), rows(1, 50), rows(2, 1)[0]
    found = contributions_of(model, np.tile(row, (400, 1)), background, seed=3)
    assert not found.is_exact
    exact = shapley(model, row, background)
    assert found.values.mean(axis=0) == pytest.approx(exact, abs=0.06)
    assert (found.values[:, 5] == 0.0).all(), "the margin does not look at the last feature"


def test_orders_in_pairs_explain_pairs_of_features_without_error():
    class Pairs(Tangle):
        def margin(self, x):
            wide = x.astype(np.float64)
            return wide[:, 0] * wide[:, 1] - 2.0 * wide[:, 2] * wide[:, 5]

    row, background = rows(2, 1), rows(3, 1)
    found = contributions_of(Pairs(), row, background, seed=1)
    assert found.values[0] == pytest.approx(shapley(Pairs(), row[0], background), abs=1e-6)


def test_sampled_values_add_up_to_the_margin_and_follow_the_seed():
    model, x, background = Tangle(), rows(4, 300), rows(5, 40)
    found = contributions_of(model, x, background, seed=6)
    assert found.values.sum(axis=1) + found.base == pytest.approx(model.margin(x))
    again = contributions_of(model, x, background, seed=6)
    other = contributions_of(model, x, background, seed=7)
    assert (found.values == again.values).all()
    assert (found.values != other.values).any()


def test_rows_are_explained_alike_in_chunks_and_at_once(monkeypatch):
    model, x, background = Tangle(), rows(8, 60), rows(9, 40)
    monkeypatch.setattr("trainers.evaluation.contributions.CHUNK_ROWS_MAX", 2_000)
    found = contributions_of(model, x, background, seed=1)
    assert found.values.sum(axis=1) + found.base == pytest.approx(model.margin(x))


def test_sampled_values_of_a_sum_are_its_terms():
    samples = layer_a_dataset(800, 1)
    fitted = load_learner("logistic").fit(samples.x, samples.y, np.ones(800), seed=1, threads=1)

    class Plain(Tangle):
        margin = staticmethod(fitted.margin)

    x = samples.x[:40]
    found = contributions_of(Plain(), x, samples.x, seed=1)
    terms = fitted.standardise(x).astype(np.float64) * fitted.coefficients
    assert np.corrcoef(found.values.ravel(), terms.ravel())[0, 1] > 0.93


@pytest.mark.parametrize("learner", EXACT)
def test_learners_that_know_their_contributions_add_up_to_their_margin(learner: str):
    samples = layer_a_dataset(500, 2)
    weights = np.random.default_rng(1).uniform(0.5, 1.5, 500)
    fitted = load_learner(learner).fit(samples.x, samples.y, weights, seed=1, threads=1)
    found = contributions_of(fitted, samples.x[:100], samples.x, seed=1)
    assert found.is_exact
    added = found.values.sum(axis=1) + found.base
    assert added == pytest.approx(fitted.margin(samples.x[:100]), abs=2e-5)
    assert np.abs(found.values).mean(axis=0).argmax() < 24, "the others are noise"


def test_trees_are_explained_as_sampling_explains_them():
    samples = layer_a_dataset(500, 3)
    x = np.ascontiguousarray(samples.x[:, :8])
    fitted = load_learner("lightgbm").fit(x, samples.y, np.ones(500), seed=1, threads=1)

    class Plain(Tangle):
        margin = staticmethod(fitted.margin)

    exact = contributions_of(fitted, x[:60], x, seed=1).values
    sampled = contributions_of(Plain(), x[:60], x, seed=1).values
    assert np.corrcoef(exact.ravel(), sampled.ravel())[0, 1] > 0.9


def test_contributions_of_a_blend_are_the_mean_of_its_members_lines():
    samples = layer_a_dataset(400, 4)
    given = (samples.y, np.ones(400))
    few = np.array([0, 3, 5, 2])
    narrow = np.ascontiguousarray(samples.x[:, few])
    line = load_learner("logistic").fit(narrow, *given, seed=1, threads=1)
    x = samples.x[:50]
    blend = Blend((Member(line, 2.0, 0.5, few), Member(Tangle(), 0.5, -1.0)))
    found = contributions_of(blend, x, samples.x, seed=1)
    assert not found.is_exact
    assert found.values.sum(axis=1) + found.base == pytest.approx(blend.margin(x))
    alone = Blend((Member(line, 2.0, 0.5, few),))
    exact = contributions_of(alone, x, samples.x, seed=1)
    assert exact.is_exact
    assert exact.values[:, few] == pytest.approx(2.0 * line.contributions(x[:, few])[:, :-1])
    assert np.count_nonzero(np.abs(exact.values).sum(axis=0)) == 4
