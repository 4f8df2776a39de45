"""Binary trees whose sum says the same in ONNX as here, to the last bit.

ONNX compares in float32 and adds in float32, in an order that depends on how rows are batched.
So thresholds are moved onto the float32 grid in the direction that changes no float32 row's side
(`float32_edges`), and leaves onto a grid so coarse that every partial sum is a float32
(`on_grid`): then any order gives the same sum.

A trained library keeps its own descent: it says in which leaf a row is, `sum_leaves` adds up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, log2
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from trainers.graph import Graph

NO_CHILD = -1
EXACT_STEPS_MAX = 2.0**24
"""float32 holds every whole number up to here."""
STEP_EXPONENT_MIN = -126

Comparison = Literal["BRANCH_LEQ", "BRANCH_LT"]


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree of m nodes, the root first; a row goes left where its value is below.

    `columns` int64[m], `thresholds` float32[m], `left` and `right` int64[m] (NO_CHILD in a leaf),
    `values` float64[m], read in leaves only.
    """

    columns: NDArray[np.int64]
    thresholds: NDArray[np.float32]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    values: NDArray[np.float64]

    @property
    def is_leaf(self) -> NDArray[np.bool_]:
        """Whether a node is a leaf, bool[m]."""
        leaf: NDArray[np.bool_] = self.left == NO_CHILD
        return leaf


STUMP = Tree(
    columns=np.zeros(1, dtype=np.int64),
    thresholds=np.zeros(1, dtype=np.float32),
    left=np.array([NO_CHILD]),
    right=np.array([NO_CHILD]),
    values=np.zeros(1),
)
"""What stands for no tree at all: ONNX wants one."""


@dataclass(frozen=True, slots=True)
class TreeEnsemble:
    """margin = base + Σ the leaf of each tree; `comparison` is what sends a row left."""

    trees: tuple[Tree, ...]
    base: float
    comparison: Comparison

    def on_grid(self) -> "TreeEnsemble":
        """Return the ensemble with leaves and base rounded to a step that sums exactly.

        The step is the finest power of two with which no sum, in any order, needs more than the
        24 bits of a float32. 200 trees of leaves up to 0.05: 2^-20.
        """
        largest = sum(float(np.abs(tree.values[tree.is_leaf]).max()) for tree in self.trees)
        step = exact_step(abs(self.base) + largest, len(self.trees) + 1)
        trees = tuple(replace(tree, values=_rounded(tree.values, step)) for tree in self.trees)
        return TreeEnsemble(trees, float(_rounded(np.array(self.base), step)), self.comparison)

    def sum_leaves(self, leaves: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """Return the margins of rows that stand in the nodes `leaves` int[n, trees], float64[n]."""
        total = np.full(leaves.shape[0], self.base)
        for number, tree in enumerate(self.trees):
            total += tree.values[leaves[:, number]]
        return total

    def add_margin(self, graph: Graph, features: str) -> str:
        """Add one TreeEnsembleRegressor."""
        columns: dict[str, list[Any]] = {}
        for number, tree in enumerate(self.trees or (STUMP,)):
            for name, values in _node_columns(number, tree, self.comparison).items():
                columns.setdefault(name, []).extend(values)
        settings: dict[str, Any] = {
            "n_targets": 1,
            "aggregate_function": "SUM",
            "post_transform": "NONE",
            "base_values": [self.base],
        }
        node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml")
        for name, value in (settings | columns).items():
            node.attribute.append(helper.make_attribute(name, value))
        return graph.adopt(node, features)

    def edges(self) -> list[tuple[int, float]]:
        """Return (column, threshold) of every split, sorted, each once."""
        found: set[tuple[int, float]] = set()
        for tree in self.trees:
            splits = ~tree.is_leaf
            values = tree.thresholds[splits].astype(np.float64)
            found.update(zip(tree.columns[splits].tolist(), values.tolist(), strict=True))
        return sorted(found)


def float32_edges(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 values that are <= `thresholds`.

    For a float32 x, x <= threshold holds exactly when x <= edge.

    >>> edge = float32_edges(np.array([0.1]))[0]
    >>> float(edge) <= 0.1, float(np.nextafter(edge, np.float32(1))) > 0.1
    (True, True)
    """
    nearest = thresholds.astype(np.float32)
    below = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest.astype(np.float64) <= thresholds, nearest, below)


def exact_step(sum_max: float, terms: int) -> float:
    """Return the finest power of two at which `terms` roundings stay exact up to `sum_max`.

    >>> exact_step(0.9, 2) == 2.0**-24, exact_step(7.0, 500) == 2.0**-21
    (True, True)
    """
    room = EXACT_STEPS_MAX - terms
    exponent = ceil(log2(sum_max / room)) if sum_max > 0.0 else STEP_EXPONENT_MIN
    return float(2.0 ** max(exponent, STEP_EXPONENT_MIN))


def complete_tree(
    columns: Sequence[int], thresholds: Sequence[float], values: NDArray[np.float64]
) -> Tree:
    """Return the tree that asks the same on a whole level: `columns[0]` of every row first.

    `values` float64[2^depth] are the leaves from left to right; the node of leaf i is
    2^depth - 1 + i.
    """
    depth = len(columns)
    inner = 2**depth - 1
    level = np.log2(np.arange(1, inner + 1)).astype(np.int64)
    blank = np.zeros(inner + 1, dtype=np.int64)
    children = 2 * np.arange(inner)
    none = np.full(inner + 1, NO_CHILD)
    return Tree(
        columns=np.concatenate((np.array(columns, dtype=np.int64)[level], blank)),
        thresholds=np.concatenate((np.array(thresholds, dtype=np.float32)[level], blank)).astype(
            np.float32
        ),
        left=np.concatenate((children + 1, none)),
        right=np.concatenate((children + 2, none)),
        values=np.concatenate((np.zeros(inner), values)),
    )


def _rounded(values: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    rounded: NDArray[np.float64] = np.round(values / step) * step
    return rounded


def _node_columns(number: int, tree: Tree, comparison: Comparison) -> dict[str, list[Any]]:
    """One tree's share of the attributes of a TreeEnsembleRegressor."""
    is_leaf = tree.is_leaf
    leaves = np.flatnonzero(is_leaf)

    def unless_leaf(values: NDArray[Any]) -> list[Any]:
        inner: list[Any] = np.where(is_leaf, 0, values).tolist()
        return inner

    return {
        "nodes_treeids": [number] * is_leaf.size,
        "nodes_nodeids": list(range(is_leaf.size)),
        "nodes_modes": ["LEAF" if leaf else comparison for leaf in is_leaf.tolist()],
        "nodes_featureids": unless_leaf(tree.columns),
        "nodes_values": unless_leaf(tree.thresholds),
        "nodes_truenodeids": unless_leaf(tree.left),
        "nodes_falsenodeids": unless_leaf(tree.right),
        "target_treeids": [number] * leaves.size,
        "target_nodeids": leaves.tolist(),
        "target_ids": [0] * leaves.size,
        "target_weights": tree.values[leaves].tolist(),
    }
