"""Regularised gradient-boosted trees by XGBoost's histograms.

Pairs of questions only, and few columns for each tree: measured on Layer A (15 seeds), untuned,
it keeps 55 / 74 % of the learnable edge at a Bayes AUC of .62 and 68 / 80 % at .70, at 500 / 2,000
rows, where our LightGBM keeps 51 / 70 % and 66 / 80 %, in the same time. At depth 3 it keeps two
points less at .62, and one more at .70 from 10,000 rows on.

XGBoost splits by x < t, and t is a float32: ONNX asks the very same. It adds leaves in float32,
in the order of its trees; ours stand on a grid on which every order adds to the same sum
(`trainers.tree_ensemble`), a few millionths from XGBoost's own.

Deterministic, with any number of threads. Source: Chen and Guestrin (2016).
"""

import json
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
import xgboost
from numpy.typing import NDArray

from trainers.calibrators.calibrator import base_rate
from trainers.graph import Graph
from trainers.sample_weights import relative
from trainers.tree_ensemble import Tree, TreeEnsemble
from trainers.tree_growth import min_child, tree_count

BINS = 64


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`trees_factor` and `min_child_factor` multiply what `trainers.tree_growth` gives."""

    learning_rate: Annotated[
        float, msgspec.Meta(gt=0.0, le=1.0, extra={"search": (0.015, 0.08), "log": True})
    ] = 0.03
    depth: Annotated[int, msgspec.Meta(ge=1, le=10, extra={"search": (2, 5)})] = 2
    trees_factor: Annotated[
        float, msgspec.Meta(gt=0.0, le=20.0, extra={"search": (0.4, 1.5), "log": True})
    ] = 1.0
    min_child_factor: Annotated[
        float, msgspec.Meta(gt=0.0, le=100.0, extra={"search": (0.4, 4.0), "log": True})
    ] = 1.0
    column_share: Annotated[float, msgspec.Meta(gt=0.0, le=1.0, extra={"search": (0.2, 1.0)})] = 0.3
    row_share: Annotated[float, msgspec.Meta(gt=0.0, le=1.0, extra={"search": (0.5, 0.95)})] = 0.6
    lambda_l2: Annotated[
        float, msgspec.Meta(ge=0.0, le=1e6, extra={"search": (1.0, 100.0), "log": True})
    ] = 20.0


DEFAULT = Params()


@dataclass(frozen=True, slots=True)
class Trees:
    """A booster over k columns and the same trees on the grid."""

    booster: xgboost.Booster
    ensemble: TreeEnsemble

    def margin(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the log-odds of x[n, k], float64[n], by XGBoost's descent."""
        data = xgboost.DMatrix(x, nthread=1)
        leaves = self.booster.predict(data, pred_leaf=True).astype(np.int64)
        return self.ensemble.sum_leaves(leaves.reshape(x.shape[0], -1))

    def contributions(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return what each column adds to the log-odds, then the base, by XGBoost's TreeSHAP."""
        found = self.booster.predict(xgboost.DMatrix(x, nthread=1), pred_contribs=True)
        return np.asarray(found, dtype=np.float64)

    def add_margin(self, graph: Graph, features: str) -> str:
        """Add one tree ensemble."""
        return self.ensemble.add_margin(graph, features)

    def edges(self) -> list[tuple[int, float]]:
        """Return (column, threshold) of every split, sorted."""
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
    rate = base_rate(y, weights)
    settings = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_bin": BINS,
        "base_score": rate,
        "learning_rate": params.learning_rate,
        "max_depth": params.depth,
        # XGBoost counts a leaf's curvature, which is rate · (1 - rate) a row.
        "min_child_weight": params.min_child_factor * min_child(rows) * rate * (1.0 - rate),
        "colsample_bytree": params.column_share,
        "subsample": params.row_share,
        "reg_lambda": params.lambda_l2,
        "seed": seed,
        "nthread": threads,
        "verbosity": 0,
    }
    data = xgboost.QuantileDMatrix(
        x, label=y, weight=relative(weights), nthread=threads, max_bin=BINS
    )
    rounds = tree_count(rows, params.trees_factor)
    booster = xgboost.train(settings, data, num_boost_round=rounds)
    booster.set_param({"nthread": 1})
    return Trees(booster, _ensemble(booster))


def _ensemble(booster: xgboost.Booster) -> TreeEnsemble:
    """The booster's trees, read from its own serialised form: float32, without loss."""
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    (rate,) = json.loads(learner["learner_model_param"]["base_score"])
    trees = learner["gradient_booster"]["model"]["trees"]
    base = float(np.log(rate / (1.0 - rate)))
    return TreeEnsemble(tuple(_tree(tree) for tree in trees), base, "BRANCH_LT").on_grid()


def _tree(tree: dict[str, list[Any]]) -> Tree:
    conditions = np.array(tree["split_conditions"], dtype=np.float32)
    return Tree(
        columns=np.array(tree["split_indices"], dtype=np.int64),
        thresholds=conditions,
        left=np.array(tree["left_children"], dtype=np.int64),
        right=np.array(tree["right_children"], dtype=np.int64),
        # In a leaf, XGBoost keeps the leaf's value in the place of the threshold.
        values=conditions.astype(np.float64),
    )
