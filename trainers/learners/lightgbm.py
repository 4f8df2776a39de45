"""Regularised gradient-boosted trees: the default learner.

Shallow, slow and heavily shrunk (150 trees of 7 leaves, 500 trees at 10,000 rows), because
meta-labels stand near the noise floor: measured, it keeps 50 / 68 / 80 % of the learnable edge
at 500 / 2,000 / 10,000 rows where the library's defaults keep 36 / 46 / 66 %.

LightGBM splits on doubles, ONNX trees compare float32: a value on a threshold would flip. Inputs
are float32, and for a float32 x, x <= t holds exactly when x <= (t rounded down to float32).
And LightGBM reads everything within ±1e-35 as zero, which moves the edges that stand there. It
adds leaves in float64; ours stand on a grid on which float32 adds exactly
(`trainers.tree_ensemble`), a few millionths from LightGBM's own.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import lightgbm
import msgspec
import numpy as np
from numpy.typing import NDArray

from trainers.graph import Graph
from trainers.sample_weights import relative
from trainers.tree_ensemble import NO_CHILD, Tree, TreeEnsemble, float32_edges
from trainers.tree_growth import min_child, tree_count

ZERO_WITHIN = np.float32(1e-35)
ZERO_BELOW = np.nextafter(-ZERO_WITHIN, np.float32(-1.0))


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`trees_factor` and `min_child_factor` multiply what `trainers.tree_growth` gives."""

    learning_rate: Annotated[
        float, msgspec.Meta(gt=0.0, le=1.0, extra={"search": (0.015, 0.06), "log": True})
    ] = 0.03
    leaves: Annotated[int, msgspec.Meta(ge=2, le=1024, extra={"search": (3, 15), "log": True})] = 7
    trees_factor: Annotated[
        float, msgspec.Meta(gt=0.0, le=20.0, extra={"search": (0.4, 1.5), "log": True})
    ] = 1.0
    min_child_factor: Annotated[
        float, msgspec.Meta(gt=0.0, le=100.0, extra={"search": (0.4, 4.0), "log": True})
    ] = 1.0
    column_share: Annotated[float, msgspec.Meta(gt=0.0, le=1.0, extra={"search": (0.2, 1.0)})] = 0.5
    row_share: Annotated[float, msgspec.Meta(gt=0.0, le=1.0, extra={"search": (0.5, 0.95)})] = 0.7
    lambda_l2: Annotated[
        float, msgspec.Meta(ge=0.0, le=1e6, extra={"search": (1.0, 100.0), "log": True})
    ] = 10.0


DEFAULT = Params()


@dataclass(frozen=True, slots=True)
class Trees:
    """A booster over k columns and the same trees on the grid."""

    booster: lightgbm.Booster
    ensemble: TreeEnsemble

    def margin(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the log-odds of x[n, k], float64[n], by LightGBM's descent."""
        leaves = np.asarray(self.booster.predict(x, pred_leaf=True, num_threads=1), dtype=np.int64)
        first_leaf = np.array([tree.left.size // 2 for tree in self.ensemble.trees])
        return self.ensemble.sum_leaves(leaves.reshape(x.shape[0], -1) + first_leaf)

    def contributions(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return what each column adds to the log-odds, then the base, by LightGBM's TreeSHAP."""
        found = self.booster.predict(x, pred_contrib=True, num_threads=1)
        return np.asarray(found, dtype=np.float64)

    def add_margin(self, graph: Graph, features: str) -> str:
        """Add one tree ensemble, its thresholds rounded down to the float32 grid."""
        return self.ensemble.add_margin(graph, features)

    def edges(self) -> list[tuple[int, float]]:
        """Return (column, threshold) of every split, as float32 values, sorted."""
        return self.ensemble.edges()


def fit(
    x: NDArray[np.float32],
    y: NDArray[np.int8],
    weights: NDArray[np.float64],
    *,
    seed: int,
    threads: int,
    params: Params = DEFAULT,
) -> Trees:
    """Fit boosted trees to x[n, k]."""
    rows = x.shape[0]
    settings = {
        "objective": "binary",
        "learning_rate": params.learning_rate,
        "num_leaves": params.leaves,
        "min_data_in_leaf": max(1, round(params.min_child_factor * min_child(rows))),
        "feature_fraction": params.column_share,
        "bagging_fraction": params.row_share,
        "bagging_freq": 1,
        "lambda_l2": params.lambda_l2,
        "use_missing": False,
        "seed": seed,
        "num_threads": threads,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(x, label=y, weight=relative(weights), free_raw_data=True)
    rounds = tree_count(rows, params.trees_factor)
    booster = lightgbm.train(settings, data, num_boost_round=rounds)
    return Trees(booster, _ensemble(booster))


def lightgbm_edges(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the float32 e for which x <= e says what LightGBM says, for every float32 x.

    The largest float32 that is <= the threshold; beside zero, the edge of what counts as zero.

    >>> lightgbm_edges(np.array([0.5, 1e-36, -1e-36])).tolist()
    [0.5, 1.0000000180025095e-35, -1.0000000897489909e-35]
    """
    within = float(ZERO_WITHIN)
    edges = float32_edges(thresholds)
    edges[(thresholds >= 0.0) & (thresholds <= within)] = ZERO_WITHIN
    edges[(thresholds < 0.0) & (thresholds >= -within)] = ZERO_BELOW
    return edges


def _ensemble(booster: lightgbm.Booster) -> TreeEnsemble:
    """The booster's trees, read from its own text, which loses nothing."""
    text: str = booster.model_to_string(num_iteration=-1)
    trees = (_tree(part) for part in text.partition("\nend of trees")[0].split("\nTree=")[1:])
    return TreeEnsemble(tuple(trees), base=0.0, comparison="BRANCH_LEQ").on_grid()


def _tree(text: str) -> Tree:
    """One tree: its splits in LightGBM's order, then its leaves in LightGBM's order."""
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def numbers(key: str, of: type[float | int]) -> NDArray[Any]:
        return np.array(lines.get(key, "").split(), dtype=of)

    values = numbers("leaf_value", float)
    splits = numbers("split_feature", int)
    blank = np.zeros(values.size, dtype=np.int64)
    none = np.full(values.size, NO_CHILD)

    def children(key: str) -> NDArray[np.int64]:
        child = numbers(key, int)
        # LightGBM writes leaf i as the complement of i.
        return np.concatenate((np.where(child < 0, splits.size + ~child, child), none))

    edges = lightgbm_edges(numbers("threshold", float))
    return Tree(
        columns=np.concatenate((splits, blank)),
        thresholds=np.concatenate((edges, blank)).astype(np.float32),
        left=children("left_child"),
        right=children("right_child"),
        values=np.concatenate((np.zeros(splits.size), values)),
    )
