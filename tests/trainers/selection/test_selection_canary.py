"""The canary of choosing features: on noise, what is chosen inside the fold is worth nothing."""

import math
from typing import Literal

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from trainers.learners import logistic
from trainers.metrics import auc
from trainers.selection.feature_clusters import feature_clusters
from trainers.selection.representatives import Rule, choose_representatives

FEATURES, CLUSTERS, FOLDS = 64, 10, 5
NAMES = tuple(f"noise_{column:02d}" for column in range(FEATURES))

Where = Literal["inside", "everywhere"]


def auc_on_noise(rows: int, seed: int, where: Where, rule: Rule) -> float:
    """Mean area over blocks, each left out once, of a ridge logistic on features of noise.

    The rows are independent: there is nothing to purge.
    """
    rng = np.random.default_rng([rows, seed])
    x = rng.standard_normal((rows, FEATURES)).astype(np.float32)
    y = (rng.random(rows) < 0.45).astype(np.int8)
    weights = np.ones(rows)
    areas = []
    for test in np.array_split(np.arange(rows), FOLDS):
        train = np.setdiff1d(np.arange(rows), test)
        seen = train if where == "inside" else np.arange(rows)
        clusters = feature_clusters(x[seen], NAMES, clusters=CLUSTERS)
        columns = choose_representatives(clusters, x[seen], y[seen], weights[seen], rule=rule)
        kept = x[:, columns]
        model = logistic.fit(kept[train], y[train], weights[train], seed=0, threads=1)
        areas.append(auc(y[test], model.margin(kept[test])))
    return float(np.mean(areas))


def mean_and_error(rows: int, seeds: range, where: Where, rule: Rule) -> tuple[float, float]:
    # On arrays so small, threads of two test workers only wait for one another.
    with threadpool_limits(1):
        areas = [auc_on_noise(rows, seed, where, rule) for seed in seeds]
    return float(np.mean(areas)), float(np.std(areas, ddof=1)) / math.sqrt(len(areas))


@pytest.mark.parametrize("rule", ["medoid", "association"])
@pytest.mark.parametrize(("rows", "seeds"), [(300, range(30)), (2_000, range(12))])
def test_features_chosen_inside_the_fold_tell_nothing_about_noise(
    rows: int, seeds: range, rule: Rule
):
    area, error = mean_and_error(rows, seeds, "inside", rule)
    assert abs(area - 0.5) <= 2.0 * error, f"{area:.3f} +- {error:.3f}"


@pytest.mark.parametrize(
    ("rows", "seeds", "area"), [(300, range(30), 0.62), (2_000, range(12), 0.54)]
)
def test_features_chosen_by_outcomes_on_all_rows_make_noise_look_like_skill(
    rows: int, seeds: range, area: float
):
    found, error = mean_and_error(rows, seeds, "everywhere", "association")
    assert found > 0.5 + 3.0 * error
    assert found == pytest.approx(area, abs=0.02)


def test_the_medoid_makes_no_skill_even_where_it_sees_all_rows():
    area, error = mean_and_error(300, range(30), "everywhere", "medoid")
    assert abs(area - 0.5) <= 2.0 * error, f"{area:.3f} +- {error:.3f}"


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "area"), [(300, 0.62), (500, 0.58), (2_000, 0.54)])
def test_choosing_is_held_to_its_canary_over_many_seeds(rows: int, area: float):
    seeds = range(100, 200)
    assert mean_and_error(rows, seeds, "everywhere", "association")[0] == pytest.approx(
        area, abs=0.02
    )
    for rule in ("medoid", "association"):
        found, error = mean_and_error(rows, seeds, "inside", rule)
        assert abs(found - 0.5) <= 2.5 * error, f"{rule}: {found:.3f} +- {error:.3f}"
