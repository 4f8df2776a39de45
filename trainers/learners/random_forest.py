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
from sklearn.ensemble import RandomForestRegressor

from trainers.graph import Graph
from trainers.tree_ensemble import Tree, TreeEnsemble, float32_edges

TREES = 256
LEAF_ROWS_MIN = 5
SHARE_STEP = 2.0**-17
MIDDLE_SHARE = 0.5


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`leaf_factor` multiplies what `leaf_rows` gives; `columns` are tried at each split; each
    tree is grown on `draws_share` times as many draws as rows. `trees`: a power of two keeps the
    graph's sum exact.
    """

    leaf_factor: Annotated[
        float, msgspec.Meta(gt=0.0, le=100.0, extra={"search": (0.25, 2.0), "log": True})
    ] = 1.0
    columns: Literal["sqrt", "third"] = "sqrt"
    draws_share: Annotated[float, msgspec.Meta(gt=0.0, le=1.0, extra={"search": (0.3, 0.8)})] = 0.5
    trees: Annotated[int, msgspec.Meta(ge=1, le=TREES)] = TREES


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
        return self._ensemble().add_margin(graph, features)

    def edges(self) -> list[tuple[int, float]]:
        """Return (column, threshold) of every split, as float32 values, sorted."""
        return self._ensemble().edges()

    def _ensemble(self) -> TreeEnsemble:
        trees = tuple(_tree(tree, len(self.trees)) for tree in self.trees)
        return TreeEnsemble(trees, base=0.0, comparison="BRANCH_LEQ")


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
        params.trees,
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


def _tree(tree: Any, trees: int) -> Tree:
    """One of `trees` trees of scikit-learn, which marks a leaf as we do."""
    return Tree(
        columns=tree.feature,
        thresholds=float32_edges(tree.threshold),
        left=tree.children_left,
        right=tree.children_right,
        values=leaf_margins(tree) / trees,
    )
