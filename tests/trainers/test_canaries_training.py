"""Canaries of training: noise has no skill once everything is selected inside the fold.

Smaller ones of the challenger itself are in test_training.py.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest

from tests.trainers.samples import dataset_of, noise_dataset
from trainers.challenger import out_of_fold_margins
from trainers.dataset import Dataset
from trainers.learner import load_learner
from trainers.metrics import auc
from trainers.settings import TrainSettings
from trainers.splits import Split, walk_forward
from trainers.training import challengers, choose
from trainers.window import divide

SETTINGS = TrainSettings()
KEPT_COLUMNS = 10
FOLDS = 3
HORIZON = 20

Choice = Callable[[Dataset, np.ndarray], np.ndarray]


def within_two_errors(areas: list[float]) -> bool:
    """Whether the mean of areas of independent draws is .5 +- 2 of its standard errors."""
    return abs(np.mean(areas) - 0.5) <= 2.0 * np.std(areas, ddof=1) / math.sqrt(len(areas))


def best_columns(samples: Dataset, rows: np.ndarray) -> np.ndarray:
    """The columns that go most with the outcome of `rows`, up or down."""
    x, y = samples.x[rows].astype(np.float64), samples.y[rows] - samples.y[rows].mean()
    return np.sort(np.argsort(-np.abs(y @ (x - x.mean(axis=0))))[:KEPT_COLUMNS])


def selected_inside(samples: Dataset, split: Split) -> np.ndarray:
    return best_columns(samples, split.train)


def selected_outside(samples: Dataset, split: Split) -> np.ndarray:
    return best_columns(samples, np.arange(len(samples)))


def area_after(selection, seed: int, count: int, columns: int) -> float:
    """The walk-forward AUC on noise of a model of the selected columns."""
    samples = noise_dataset(count, seed, columns)
    margins = np.full(count, np.nan)
    for split in walk_forward(samples.ts, samples.exit_ts, folds=FOLDS):
        chosen = selection(samples, split)
        fitted = load_learner("logistic").fit(
            np.ascontiguousarray(samples.x[np.ix_(split.train, chosen)]),
            samples.y[split.train],
            np.ones(split.train.size),
            seed=seed,
            threads=1,
        )
        margins[split.test] = fitted.margin(samples.x[np.ix_(split.test, chosen)])
    rows = np.isfinite(margins)
    return auc(samples.y[rows], margins[rows])


def test_columns_of_noise_selected_inside_the_fold_have_no_skill():
    assert within_two_errors([area_after(selected_inside, seed, 300, 60) for seed in range(8)])


def test_columns_of_noise_selected_on_all_samples_seem_to_have_some():
    """What the canary is there for."""
    areas = [area_after(selected_outside, seed, 300, 60) for seed in range(8)]
    assert np.mean(areas) > 0.58
    assert not within_two_errors(areas)


@pytest.mark.slow
@pytest.mark.parametrize("count", [300, 500, 2_000])
def test_columns_of_noise_selected_inside_the_fold_have_no_skill_in_many_draws(count: int):
    areas = [area_after(selected_inside, seed, count, 200) for seed in range(500, 600)]
    print(f"\n{count} samples: AUC {np.mean(areas):.4f} +- {np.std(areas) / 10:.4f}")
    assert within_two_errors(areas)


def chosen_areas(seeds: range, count: int, settings: TrainSettings) -> list[float]:
    """The AUC on the gate window of the learner that was chosen on the samples before it."""
    areas = []
    for seed in seeds:
        samples = noise_dataset(count, seed)
        division = divide(samples, settings)
        chosen = choose(challengers(samples, division, settings))
        window = samples.take(division.window)
        said = chosen.probability(window.x)
        rows = np.isfinite(said)
        areas.append(auc(window.y[rows], said[rows]))
    return areas


@pytest.mark.slow
def test_the_learner_that_is_chosen_on_noise_has_no_skill_on_the_window():
    areas = chosen_areas(range(100), 900, SETTINGS)
    print(f"\nAUC on the window {np.mean(areas):.4f} +- {np.std(areas) / 10:.4f}")
    assert within_two_errors(areas)


def walks(rng: np.random.Generator, count: int = 600) -> Dataset:
    """Persistent features, and whether a random walk stands higher HORIZON bars later."""
    walk = np.cumsum(rng.standard_normal((count + HORIZON, 11)), axis=0)
    y = (walk[HORIZON:, 0] > walk[:-HORIZON, 0]).astype(np.int64)
    return dataset_of(walk[:count], y, per_day=1, hold_days=HORIZON)


def shuffled_area(samples: Dataset, rng: np.random.Generator) -> float:
    """The AUC of folds of shuffled rows, whose labels overlap those of their training rows."""
    fold = rng.permutation(len(samples)) % 5
    margins = np.empty(len(samples))
    for number in range(5):
        train = np.flatnonzero(fold != number)
        fitted = load_learner("lightgbm").fit(
            np.ascontiguousarray(samples.x[train]),
            samples.y[train],
            np.ones(train.size),
            seed=1,
            threads=1,
        )
        margins[fold == number] = fitted.margin(np.ascontiguousarray(samples.x[fold == number]))
    return auc(samples.y, margins)


@pytest.mark.slow
def test_overlapping_labels_of_random_walks_stay_near_a_half_in_many_draws():
    rng = np.random.default_rng(8)
    purged, shuffled = [], []
    for _ in range(60):
        samples = walks(rng)
        shuffled.append(shuffled_area(samples, rng))
        for learner in SETTINGS.learners:
            margins = out_of_fold_margins(samples, np.ones(len(samples)), learner, SETTINGS)
            rows = np.isfinite(margins)
            purged.append(auc(samples.y[rows], margins[rows]))
    print(f"\npurged {np.mean(purged):.3f}, shuffled {np.mean(shuffled):.3f}")
    assert 0.45 < np.mean(purged) < 0.53
    assert np.mean(shuffled) > 0.7
