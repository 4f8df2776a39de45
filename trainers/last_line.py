"""The last line of a model's graph: what turns its ranking into log-odds, and may be moved.

Platt's calibration ends a graph as Sigmoid(slope · (score - root) + rest). Another line is three
other float32 constants there: every node and every other constant stays as it is, byte for byte.
A graph that ends otherwise (beta, isotonic, another house's) is first given such an end, on the
log-odds of the probability that it says.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from streams.errors import ModelError
from trainers.calibrators.calibrator import PROBABILITY_MIN, inside, sigmoid
from trainers.graph import OUTPUT_NAME, line_constants
from trainers.onnx_export import run_rows

PREFIX = "line"
"""Of the names of what is added; the house's own graphs use none of them."""

LINE = ("Sub", "Mul", "Add")

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LastLine:
    """log-odds = `slope` · score + `intercept`, `score` the name of a tensor float32[n, 1].

    `model` ends in that line; `constants` name its root, slope and rest. `is_added`: the model did
    not end in one before.
    """

    model: onnx.ModelProto
    score: str
    constants: tuple[str, str, str]
    slope: float
    intercept: float
    is_added: bool

    def scores(self, x: NDArray[np.float32]) -> Floats:
        """Return the scores of rows x[n, k], one row at a time as they are served, float64[n]."""
        cut = onnx.ModelProto()
        cut.CopyFrom(self.model)
        _final(cut).output[0] = f"{PREFIX}_unused"
        cut.graph.node.append(helper.make_node("Identity", [self.score], [OUTPUT_NAME]))
        return run_rows(cut.SerializeToString(deterministic=True), x)

    def log_odds(self, scores: Floats) -> Floats:
        """Return the log-odds of scores float64[n], float64[n]."""
        return self.slope * scores + self.intercept

    def probability(self, scores: Floats) -> Floats:
        """Return the probabilities of scores float64[n], float64[n] in (0, 1)."""
        return inside(sigmoid(self.log_odds(scores)))

    def moved(self, slope: float, intercept: float) -> "LastLine":
        """Return the same graph under slope · its log-odds + intercept; `slope` > 0."""
        whole = (slope * self.slope, slope * self.intercept + intercept)
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        values = dict(zip(self.constants, line_constants(*whole), strict=True))
        for constant in model.graph.initializer:
            if constant.name in values:
                value = np.array([values[constant.name]], dtype=np.float32)
                constant.CopyFrom(numpy_helper.from_array(value, constant.name))
        return LastLine(model, self.score, self.constants, *whole, self.is_added)

    def build(self) -> bytes:
        """Return the checked, serialised graph."""
        onnx.checker.check_model(self.model)
        return bytes(self.model.SerializeToString(deterministic=True))


def last_line(onnx_bytes: bytes) -> LastLine:
    """Return the last line of a graph, added where there is none.

    Raises ModelError for a graph without one output called `probability`.
    """
    model = onnx.load_from_string(onnx_bytes)
    if [output.name for output in model.graph.output] != [OUTPUT_NAME]:
        raise ModelError(
            f"a graph must have the one output {OUTPUT_NAME!r} to be recalibrated, has "
            f"{[output.name for output in model.graph.output]}: train a new model"
        )
    found = _found(model, is_added=False)
    if found is not None:
        return found
    added = _found(_with_line(model), is_added=True)
    if added is None:
        raise ModelError("a line could not be added to the graph: train a new model")
    return added


def _found(model: onnx.ModelProto, *, is_added: bool) -> LastLine | None:
    """Follow Sigmoid, Add, Mul and Sub back from the output, through nodes used once only."""
    final = _final(model)
    if final.op_type != "Sigmoid":
        return None
    made_by = {name: node for node in model.graph.node for name in node.output}
    held = {c.name: c for c in model.graph.initializer}
    used = Counter(name for node in model.graph.node for name in node.input)
    value, constants = final.input[0], []
    for op_type in reversed(LINE):
        node = made_by.get(value)
        if node is None or node.op_type != op_type or used[value] != 1:
            return None
        value, name = node.input
        if value in held or name not in held or used[name] != 1 or not _is_scalar(held[name]):
            return None
        constants.append(name)
    rest, slope, root = (float(numpy_helper.to_array(held[name]).item()) for name in constants)
    names = (constants[2], constants[1], constants[0])
    return LastLine(model, value, names, slope, rest - slope * root, is_added)


def _is_scalar(constant: onnx.TensorProto) -> bool:
    return constant.data_type == onnx.TensorProto.FLOAT and list(constant.dims) == [1]


def _final(model: onnx.ModelProto) -> onnx.NodeProto:
    nodes: list[onnx.NodeProto] = list(model.graph.node)
    for node in nodes:
        if OUTPUT_NAME in node.output:
            return node
    raise ModelError(f"no node of the graph makes {OUTPUT_NAME!r}: train a new model")


def _with_line(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with the line 1 · log-odds + 0 behind its probability.

    1 - p is exact in float32 where it is small, and p is held off 0 and 1.
    """
    longer = onnx.ModelProto()
    longer.CopyFrom(model)
    before = f"{PREFIX}_before"
    final = _final(longer)
    final.output[list(final.output).index(OUTPUT_NAME)] = before
    for node in longer.graph.node:
        node.input[:] = [before if name == OUTPUT_NAME else name for name in node.input]
    constants = {"low": PROBABILITY_MIN, "high": 1.0 - PROBABILITY_MIN}
    vectors = {"one": 1.0, "root": 0.0, "slope": 1.0, "rest": 0.0}
    named = {name: np.array(v, dtype=np.float32) for name, v in constants.items()}
    named |= {name: np.array([v], dtype=np.float32) for name, v in vectors.items()}
    longer.graph.initializer.extend(
        numpy_helper.from_array(value, f"{PREFIX}_{name}") for name, value in named.items()
    )
    steps = (
        ("Clip", ("before", "low", "high"), "p"),
        ("Sub", ("one", "p"), "q"),
        ("Log", ("p",), "log_p"),
        ("Log", ("q",), "log_q"),
        ("Sub", ("log_p", "log_q"), "score"),
        ("Sub", ("score", "root"), "shifted"),
        ("Mul", ("shifted", "slope"), "scaled"),
        ("Add", ("scaled", "rest"), "log_odds"),
    )
    for op_type, inputs, output in steps:
        names = [f"{PREFIX}_{name}" for name in inputs]
        name = f"{PREFIX}_{output}"
        longer.graph.node.append(helper.make_node(op_type, names, [name], name=f"{op_type}_{name}"))
    last = helper.make_node(
        "Sigmoid", [f"{PREFIX}_log_odds"], [OUTPUT_NAME], name=f"Sigmoid_{OUTPUT_NAME}"
    )
    longer.graph.node.append(last)
    return longer
