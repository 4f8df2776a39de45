"""Contributions are Shapley values: exact where a learner knows them, else sampled."""

import itertools
import math

import numpy as np
import pytest

from tests.trainers.samples import layer_a_dataset
from trainers.evaluation.contributions import contributions_of
from trainers.learner import load_learner


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
