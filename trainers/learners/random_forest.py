"""A random forest: 256 trees with leaves of about √n rows, each on half as many draws as rows.

Meta-labels stand near the noise floor, so the trees are kept short: measured at a Bayes AUC of
.62, they keep 56 / 73 % of the learnable edge at 500 / 2,000 rows where the textbook's fully
grown trees keep 50 / 62 %, in a tenth of the nodes or fewer. Sample weights are the chances of a
row to be drawn; classes are never weighted, which would break calibration.

The margin is the mean, over the trees, of the share of ones in the row's leaf, less ½. A share
is kept in steps of 2^-17: the sum of 256 of them is then exact in float32 in any order, and the
ONNX graph says the very same, however rows are batched.

Splits are doubles, ONNX trees compare float32: for a float32 x, x <= t holds exactly when
x <= (t rounded down to float32).
Source: Breiman (2001), "Random Forests"; scikit-learn's RandomForestRegressor on 0 and 1, whose
splits are those of the Gini impurity.
"""

from dataclasses import dataclass
from math import isqrt
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from onnx import helper
from sklearn.ensemble import RandomForestRegressor

from trainers.graph import Graph

TREES = 256
LEAF_ROWS_MIN = 5
SHARE_STEP = 2.0**-17
MIDDLE_SHARE = 0.5

_NO_CHILD = -1


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`leaf_factor` multiplies what `leaf_rows` gives; `columns` are tried at each split; each
    tree is grown on `draws_share` times as many draws as rows.
    """

    leaf_factor: Annotated[
        float, msgspec.Meta(gt=0.0, le=100.0, extra={"search": (0.25, 2.0), "log": True})
    ] = 1.0
    columns: Literal["sqrt", "third"] = "sqrt"
    draws_share: Annotated[float, msgspec.Meta(gt=0.0, le=1.0, extra={"search": (0.3, 0.8)})] = 0.5


DEFAULT = Params()
_COLUMNS: dict[str, str | float] = {"sqrt": "sqrt", "third": 1.0 / 3.0}


@dataclass(frozen=True, slots=True)
class Forest:
    """Grown trees of scikit-learn (`sklearn.tree._tree.Tree`) over k columns."""

    trees: tuple[Any, ...]

    def margin(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the mean leaf share of x[n, k] less ½, float64[n], by scikit-learn's descent."""
        total = np.zeros(x.shape[0])
        for tree in self.trees:
            total += leaf_margins(tree)[tree.apply(x)]
        return total / len(self.trees)

    def add_margin(self, graph: Graph, features: str) -> str:
        """Add one tree ensemble, its thresholds rounded down to the float32 grid."""
        columns: dict[str, list[Any]] = {}
        for number, tree in enumerate(self.trees):
            for name, values in _node_columns(number, tree, len(self.trees)).items():
                columns.setdefault(name, []).extend(values)
        ensemble = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml")
        settings = {"n_targets": 1, "aggregate_function": "SUM", "post_transform": "NONE"}
        for name, value in (settings | columns).items():
            ensemble.attribute.append(helper.make_attribute(name, value))
        return graph.adopt(ensemble, features)

    def edges(self) -> list[tuple[int, float]]:
        """Return (column, threshold) of every split, as float32 values, sorted."""
        found: set[tuple[int, float]] = set()
        for tree in self.trees:
            splits = tree.children_left != _NO_CHILD
            edges = float32_edges(tree.threshold[splits]).astype(np.float64)
            found.update(zip(tree.feature[splits].tolist(), edges.tolist(), strict=True))
        return sorted(found)


def fit(
    x: NDArray[np.float32],
    y: NDArray[np.int8],
    weights: NDArray[np.float64],
    *,
    seed: int,
    threads: int,
    params: Params = DEFAULT,
) -> Forest:
    """Grow the forest on x[n, k]. Each tree has a seed of its own, whichever thread grows it."""
    rows = x.shape[0]
    forest = RandomForestRegressor(
        TREES,
        max_features=_COLUMNS[params.columns],
        min_samples_leaf=max(1, round(params.leaf_factor * leaf_rows(rows))),
        max_samples=max(1, round(params.draws_share * rows)),
        random_state=seed,
        n_jobs=threads,
    )
    forest.fit(x, y.astype(np.float64), sample_weight=weights)
    return Forest(tuple(estimator.tree_ for estimator in forest.estimators_))


def leaf_rows(rows: int) -> int:
    """Return the fewest rows of a leaf: the root of the sample's size.

    >>> leaf_rows(16), leaf_rows(500), leaf_rows(10_000)
    (5, 22, 100)
    """
    return max(LEAF_ROWS_MIN, isqrt(rows))


def leaf_margins(tree: Any) -> NDArray[np.float64]:
    """Return the share of ones in each node less ½, in whole steps, float64[nodes]."""
    shares = tree.value[:, 0, 0] - MIDDLE_SHARE
    margins: NDArray[np.float64] = np.round(shares / SHARE_STEP) * SHARE_STEP
    return margins


def float32_edges(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 values that are <= `thresholds`.

    >>> edge = float32_edges(np.array([0.1]))[0]
    >>> float(edge) <= 0.1, float(np.nextafter(edge, np.float32(1))) > 0.1
    (True, True)
    """
    nearest = thresholds.astype(np.float32)
    below = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest.astype(np.float64) <= thresholds, nearest, below)


def _node_columns(number: int, tree: Any, trees: int) -> dict[str, list[Any]]:
    """One tree's share of the attributes of a TreeEnsembleRegressor."""
    count = int(tree.node_count)
    is_leaf = tree.children_left == _NO_CHILD
    leaves = np.flatnonzero(is_leaf)

    def unless_leaf(values: NDArray[Any]) -> list[Any]:
        inner: list[Any] = np.where(is_leaf, 0, values).tolist()
        return inner

    return {
        "nodes_treeids": [number] * count,
        "nodes_nodeids": list(range(count)),
        "nodes_modes": ["LEAF" if leaf else "BRANCH_LEQ" for leaf in is_leaf.tolist()],
        "nodes_featureids": unless_leaf(tree.feature),
        "nodes_values": unless_leaf(float32_edges(tree.threshold)),
        "nodes_truenodeids": unless_leaf(tree.children_left),
        "nodes_falsenodeids": unless_leaf(tree.children_right),
        "target_treeids": [number] * leaves.size,
        "target_nodeids": leaves.tolist(),
        "target_ids": [0] * leaves.size,
        "target_weights": (leaf_margins(tree)[leaves] / trees).tolist(),
    }
