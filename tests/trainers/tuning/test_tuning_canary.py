"""On noise, what was selected and tuned inside a span is worth nothing outside of it."""

import msgspec
import numpy as np
import pytest

from tests.trainers.samples import layer_a_dataset, noise_dataset
from trainers.challenger import weights_of
from trainers.dataset import Dataset
from trainers.learner import load_learner
from trainers.metrics import auc
from trainers.splits import Split
from trainers.tuning.fold_plan import choose_columns, plan_folds
from trainers.tuning.tuning import tune
from trainers.tuning.tuning_settings import TuningSettings
from trainers.validation.walk_forward import WalkForward

COLUMNS, CLUSTERS, SEEDS = 60, 10, 10
EAGER = TuningSettings(trials=12, startup_trials=4, improvement_errors=0.0)


def outer_split(samples: Dataset) -> Split:
    *_, last = WalkForward(2, start_ts=samples.ts, end_ts=samples.exit_ts).split()
    return last


def area_outside(samples: Dataset) -> tuple[float, int]:
    """The area under the curve on the last third, and its outcomes, when all else, columns by
    their association with the outcome too, was chosen on the first two."""
    train, test = outer_split(samples)
    span = samples.take(train)
    weights = weights_of(span)
    splits = WalkForward(3, start_ts=span.ts, end_ts=span.exit_ts).split()
    plan = plan_folds(span, weights, splits, clusters=CLUSTERS, rule="association")
    tuned = tune("logistic", plan, EAGER)
    columns = choose_columns(span, weights, clusters=CLUSTERS, rule="association")
    fitted = load_learner("logistic").fit(
        np.ascontiguousarray(span.x[:, columns]),
        span.y,
        weights,
        seed=1,
        threads=1,
        params=tuned.params,
    )
    return auc(samples.y[test], fitted.margin(samples.x[np.ix_(test, columns)])), test.size


def mean_and_error(areas: list[tuple[float, int]]) -> tuple[float, float]:
    """The mean area, and what it would err by without any skill."""
    errors = [1.0 / (12.0 * 0.45 * 0.55 * size) for _, size in areas]
    return float(np.mean([area for area, _ in areas])), float(np.sqrt(sum(errors))) / len(areas)


@pytest.mark.parametrize("count", [300, 500])
def test_noise_stays_noise_when_all_is_chosen_inside(count: int) -> None:
    areas = [area_outside(noise_dataset(count, seed, COLUMNS)) for seed in range(SEEDS)]
    mean, error = mean_and_error(areas)
    assert abs(mean - 0.5) <= 2.0 * error, f"{mean:.3f} +- {error:.3f}"


def test_the_canary_can_sing() -> None:
    areas = [area_outside(layer_a_dataset(300, seed)) for seed in range(SEEDS)]
    mean, error = mean_and_error(areas)
    assert mean - 0.5 > 2.0 * error, f"{mean:.3f} +- {error:.3f}"


def test_the_same_choice_outside_the_folds_would_be_believed() -> None:
    areas = []
    for seed in range(SEEDS):
        samples = noise_dataset(300, seed, COLUMNS)
        weights = weights_of(samples)
        seen = choose_columns(samples, weights, clusters=CLUSTERS, rule="association")
        splits = list(WalkForward(3, start_ts=samples.ts, end_ts=samples.exit_ts).split())
        one = msgspec.structs.replace(EAGER, trials=1)
        leaking = tune(
            "logistic", plan_folds(samples, weights, splits, choose=lambda *_, c=seen: c), one
        )
        rows = np.isfinite(leaking.margins)
        areas.append((auc(samples.y[rows], leaking.margins[rows]), int(rows.sum())))
    mean, error = mean_and_error(areas)
    assert mean - 0.5 > 2.0 * error, f"{mean:.3f} +- {error:.3f}"
