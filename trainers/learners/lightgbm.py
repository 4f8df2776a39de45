"""Regularised gradient-boosted trees: the default learner.

Shallow, slow and heavily shrunk (150 trees of 7 leaves, 500 trees at 10,000 rows), because
meta-labels stand near the noise floor: measured, it keeps 50 / 68 / 80 % of the learnable edge
at 500 / 2,000 / 10,000 rows where the library's defaults keep 36 / 46 / 66 %.

LightGBM splits on doubles, ONNX trees compare float32: a value on a threshold would flip. Inputs
are float32, and for a float32 x, x <= t holds exactly when x <= (t rounded down to float32).
And LightGBM reads everything within ±1e-35 as zero, which moves the edges that stand there.
"""

import re
from dataclasses import dataclass
from typing import Annotated

import lightgbm
import msgspec
import numpy as np
from numpy.typing import NDArray
from onnxmltools.convert.common.data_types import FloatTensorType
from onnxmltools.convert.lightgbm.convert import convert

from streams.errors import ModelError
from trainers.graph import INPUT_NAME, OPSET, Graph

TREES_FEW, TREES_MANY = 150, 500
ROWS_FEW, ROWS_MANY = 2_000, 10_000
MIN_CHILD = 40
MIN_CHILD_FLOOR = 10
ZERO_WITHIN = np.float32(1e-35)

_TREE_NODE = "TreeEnsembleRegressor"


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`trees_factor` and `min_child_factor` multiply what `trees` and `min_child` give."""

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
    """A booster over k columns; the margin is its raw score."""

    booster: lightgbm.Booster

    def margin(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the raw scores of x[n, k], summed in float64 by LightGBM."""
        return np.asarray(self.booster.predict(x, raw_score=True, num_threads=1), dtype=np.float64)

    def add_margin(self, graph: Graph, features: str) -> str:
        """Add one tree ensemble, its thresholds rounded down to the float32 grid."""
        rounded = lightgbm.Booster(model_str=_as_float32_regression(self.booster))
        inputs = [(INPUT_NAME, FloatTensorType([None, graph.width]))]
        model = convert(rounded, "trees", inputs, target_opset=OPSET)
        nodes = [node for node in model.graph.node if node.op_type == _TREE_NODE]
        given = [node.op_type for node in model.graph.node]
        if len(nodes) != 1 or not set(given) <= {_TREE_NODE, "Identity"}:
            raise ModelError(
                f"the converter must give one {_TREE_NODE}, gave {given}: "
                "check the version of onnxmltools"
            )
        return graph.adopt(nodes[0], features)

    def edges(self) -> list[tuple[int, float]]:
        """Return (column, threshold) of every split, as float32 values, sorted."""
        text = self.booster.model_to_string(num_iteration=-1)
        columns = [int(word) for line in _lines(text, "split_feature") for word in line.split()]
        values = [float(word) for line in _lines(text, "threshold") for word in line.split()]
        return sorted({(c, float(float32_edge(v))) for c, v in zip(columns, values, strict=True)})


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
    data = lightgbm.Dataset(x, label=y, weight=weights, free_raw_data=True)
    rounds = max(1, round(params.trees_factor * trees(rows)))
    return Trees(lightgbm.train(settings, data, num_boost_round=rounds))


def trees(rows: int) -> int:
    """Return the number of trees for a sample of `rows`.

    >>> trees(500), trees(6_000), trees(50_000)
    (150, 325, 500)
    """
    share = min(max((rows - ROWS_FEW) / (ROWS_MANY - ROWS_FEW), 0.0), 1.0)
    return round(TREES_FEW + share * (TREES_MANY - TREES_FEW))


def min_child(rows: int) -> int:
    """Return the fewest rows of a leaf: 40, less for very small samples, more for large ones.

    >>> min_child(60), min_child(2_000), min_child(50_000)
    (10, 40, 200)
    """
    if rows > ROWS_MANY:
        return MIN_CHILD * rows // ROWS_MANY
    return min(MIN_CHILD, max(MIN_CHILD_FLOOR, rows // 12))


def float32_edge(threshold: float) -> np.float32:
    """Return the float32 e for which x <= e says what LightGBM says, for every float32 x.

    The largest float32 that is <= `threshold`; beside zero, the edge of what counts as zero.

    >>> edge = float32_edge(0.1)
    >>> float(edge) <= 0.1, float(np.nextafter(edge, np.float32(1))) > 0.1
    (True, True)
    """
    if -ZERO_WITHIN <= threshold < 0.0:
        return _next_below(-ZERO_WITHIN)
    if 0.0 <= threshold <= ZERO_WITHIN:
        return ZERO_WITHIN
    nearest = np.float32(threshold)
    return nearest if float(nearest) <= threshold else _next_below(nearest)


def _next_below(value: np.float32) -> np.float32:
    return np.float32(np.nextafter(value, np.float32(-np.inf)))


def _as_float32_regression(booster: lightgbm.Booster) -> str:
    """The model's text with float32 thresholds, and an objective that adds no link function."""
    text: str = booster.model_to_string(num_iteration=-1)
    text = re.sub(r"^objective=.*$", "objective=regression", text, flags=re.MULTILINE)
    text = re.sub(r"^\[objective: .*\]$", "[objective: regression]", text, flags=re.MULTILINE)
    # The sizes of the trees in bytes would no longer be true; without them they are read in turn.
    text = re.sub(r"^tree_sizes=.*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"^threshold=(.*)$", _round_line, text, flags=re.MULTILINE)


def _round_line(line: re.Match[str]) -> str:
    return "threshold=" + " ".join(repr(float(float32_edge(float(w)))) for w in line[1].split())


def _lines(text: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", text, flags=re.MULTILINE)
