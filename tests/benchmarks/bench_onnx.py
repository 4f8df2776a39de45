"""What is served against what was trained: 100,000 rows on edges, for every learner and blend.

A row stands, in every column that a tree asks for, on a threshold or one ulp beside it. Three
figures: the largest difference of a probability, the rows decided otherwise at one half, and the
trees' margins that are not the same to the last bit (then every row is in the same leaves).
"""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.trainers.edge_rows import margin_graph, rows_on_edges, run_batch
from tests.trainers.samples import layer_a_dataset
from trainers.blend import Blend, Member
from trainers.calibrators.beta import fit_beta
from trainers.calibrators.calibrator import Calibration
from trainers.calibrators.isotonic import fit_isotonic
from trainers.calibrators.platt import fit_platt
from trainers.learner import Fitted, learner_names, load_learner
from trainers.onnx_export import export, native, run_rows

pytestmark = pytest.mark.slow

EDGE_ROWS = 100_000
ALONE_ROWS = 2_000
TRAIN_ROWS, HELD_ROWS = 4_000, 3_000
WIDTH = 40
DIFFERENCE_MAX = 1e-6
THREADS = 2
TREES = ("catboost", "lightgbm", "random_forest", "xgboost")
MEMBERS = ("ensemble", "logistic", "random_forest")
CALIBRATIONS: dict[str, Callable[..., Calibration]] = {
    "platt": fit_platt,
    "beta": fit_beta,
    "isotonic": fit_isotonic,
}

DATA = layer_a_dataset(TRAIN_ROWS + HELD_ROWS, seed=31)
TRAIN = DATA.take(np.arange(TRAIN_ROWS))
HELD = DATA.take(np.arange(TRAIN_ROWS, TRAIN_ROWS + HELD_ROWS))


def fit(name: str, columns: NDArray[np.int64] | None = None, threads: int = 1) -> Fitted:
    x = TRAIN.x if columns is None else np.ascontiguousarray(TRAIN.x[:, columns])
    weights = np.random.default_rng(3).uniform(0.5, 1.5, TRAIN_ROWS)
    return load_learner(name).fit(x, TRAIN.y, weights, seed=7, threads=threads)


def blend() -> Blend:
    """Three models on columns of their own, each on its Platt line."""
    rng = np.random.default_rng(4)
    members = []
    for name in MEMBERS:
        columns = np.sort(rng.choice(WIDTH, 30, replace=False))
        fitted = fit(name, columns)
        platt = fit_platt(fitted.margin(HELD.x[:, columns]), HELD.y, np.ones(HELD_ROWS))
        members.append(Member(fitted, platt.slope, platt.intercept, columns))
    return Blend(tuple(members))


def calibrated(fitted: Fitted, method: str) -> Calibration:
    return CALIBRATIONS[method](fitted.margin(HELD.x), HELD.y, np.ones(HELD_ROWS))


def assert_served_as_trained(name: str, fitted: Fitted, method: str) -> None:
    calibration = calibrated(fitted, method)
    onnx = export(fitted, calibration, WIDTH)
    rows = np.concatenate((rows_on_edges(fitted, WIDTH, EDGE_ROWS, seed=5), HELD.x))
    known, said = native(fitted, calibration, rows), run_batch(onnx, rows)
    worst = float(np.abs(said - known).max())
    flips = int(((said >= 0.5) != (known >= 0.5)).sum())
    alone = float(np.abs(run_rows(onnx, rows[:ALONE_ROWS]) - known[:ALONE_ROWS]).max())
    print(
        f"\n{name} + {method}, {len(fitted.edges()):,} edges, {len(rows):,} rows: "
        f"max |native - ONNX| {worst:.1e}, row by row {alone:.1e}, decided otherwise {flips}"
    )
    assert worst <= DIFFERENCE_MAX
    assert alone <= DIFFERENCE_MAX
    assert flips == 0


@pytest.mark.parametrize("name", learner_names())
def test_a_learner_is_served_as_it_was_trained(name: str):
    assert_served_as_trained(name, fit(name), "platt")


@pytest.mark.parametrize("method", CALIBRATIONS)
def test_the_ensemble_and_the_blend_are_served_as_they_were_trained(method: str):
    assert_served_as_trained("ensemble", fit("ensemble"), method)
    assert_served_as_trained("blend of three", blend(), method)


@pytest.mark.parametrize("name", TREES)
def test_trees_put_every_row_into_the_same_leaves(name: str):
    fitted = fit(name)
    rows = rows_on_edges(fitted, WIDTH, EDGE_ROWS, seed=6)
    different = int((run_batch(margin_graph(fitted, WIDTH), rows) != fitted.margin(rows)).sum())
    print(f"\n{name}, {EDGE_ROWS:,} rows on edges: {different} margins differ in any bit")
    assert different == 0


@pytest.mark.parametrize("name", learner_names())
def test_two_threads_fit_the_model_of_one(name: str):
    assert margin_graph(fit(name, threads=THREADS), WIDTH) == margin_graph(fit(name), WIDTH)
