"""Trees whose sum is exact: the grid, the edges, and what a library itself says."""

from itertools import permutations

import numpy as np
import pytest

from tests.trainers.edge_rows import margin_graph, run_batch
from tests.trainers.learner_checks import TEST, fitted_once
from trainers.learner import load_learner
from trainers.tree_ensemble import (
    NO_CHILD,
    Tree,
    TreeEnsemble,
    complete_tree,
    exact_step,
    float32_edges,
)


def stump(threshold: float, low: float, high: float) -> Tree:
    return Tree(
        np.array([0, 0, 0]),
        np.array([threshold, 0, 0], dtype=np.float32),
        np.array([1, NO_CHILD, NO_CHILD]),
        np.array([2, NO_CHILD, NO_CHILD]),
        np.array([99.0, low, high]),
    )


def ask(ensemble: TreeEnsemble, values: list[float]) -> list[float]:
    return run_batch(
        margin_graph(ensemble, 1), np.array(values, dtype=np.float32)[:, None]
    ).tolist()


def test_a_value_on_the_threshold_goes_where_the_comparison_says():
    below = float(np.nextafter(np.float32(0.1), np.float32(0)))
    for comparison, on_it in (("BRANCH_LEQ", -1.0), ("BRANCH_LT", 1.0)):
        ensemble = TreeEnsemble((stump(0.1, -1.0, 1.0),), 0.0, comparison)
        assert ask(ensemble, [below, 0.1, 0.2]) == [-1.0, on_it, 1.0]


def test_no_tree_at_all_says_the_base():
    assert ask(TreeEnsemble((), -0.25, "BRANCH_LEQ"), [0.0, 5.0]) == [-0.25, -0.25]


def test_on_the_grid_every_order_of_leaves_adds_up_alike():
    rng = np.random.default_rng(1)
    leaves = rng.standard_normal(6) * 10.0 ** rng.integers(-6, 3, 6)
    trees = tuple(stump(0.0, value, -value) for value in leaves)
    ensemble = TreeEnsemble(trees, 0.3, "BRANCH_LT").on_grid()
    kept = [np.float32(tree.values[1]) for tree in ensemble.trees]
    sums = {float(sum(order, start=np.float32(0.0))) for order in permutations(kept)}
    assert len(sums) == 1
    raw = [np.float32(value) for value in leaves]
    assert len({float(sum(order, start=np.float32(0.0))) for order in permutations(raw)}) > 1


def test_the_grid_moves_a_leaf_by_half_a_step_at_most():
    trees = tuple(stump(0.0, value, -value) for value in (0.7123456789, 1e-9))
    ensemble = TreeEnsemble(trees, -0.2, "BRANCH_LT").on_grid()
    step = exact_step(0.2 + 0.7123456789 + 1e-9, 3)
    for one, other in zip(trees, ensemble.trees, strict=True):
        assert np.abs(one.values - other.values).max() <= step / 2
        assert (np.mod(other.values, step) == 0.0).all()


def test_a_leaf_is_found_by_the_answers_of_its_levels():
    tree = complete_tree([1, 0], [0.5, -0.5], np.array([10.0, 20.0, 30.0, 40.0]))
    ensemble = TreeEnsemble((tree,), 0.0, "BRANCH_LEQ")
    rows = np.array([[-1, 0], [0, 0], [-1, 1], [0, 1]], dtype=np.float32)
    assert run_batch(margin_graph(ensemble, 2), rows).tolist() == [10.0, 20.0, 30.0, 40.0]
    assert ensemble.edges() == [(0, -0.5), (1, 0.5)]


@pytest.mark.parametrize("value", [0.1, -0.1, 1.0, 3.3e-30, -1e30, 1e-45, 0.0])
def test_an_edge_keeps_every_float32_on_its_side(value: float):
    (edge,) = float32_edges(np.array([value]))
    for x in (np.nextafter(edge, np.float32(-np.inf)), edge, np.nextafter(edge, np.float32(1e38))):
        assert (float(x) <= value) == bool(x <= edge)


LIBRARIES = {
    "lightgbm": lambda fitted, x: fitted.booster.predict(x, raw_score=True, num_threads=1),
    "xgboost": lambda fitted, x: fitted.booster.inplace_predict(x, predict_type="margin"),
    "catboost": lambda fitted, x: fitted.model.predict(x, "RawFormulaVal", thread_count=1),
}


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_margin_on_the_grid_is_the_librarys_own_to_a_few_millionths(name: str):
    fitted = fitted_once(load_learner(name))
    difference = np.abs(LIBRARIES[name](fitted, TEST.x) - fitted.margin(TEST.x))
    assert 0.0 < difference.max() < 2e-5
