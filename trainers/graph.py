"""A small ONNX graph under construction, the same bytes whenever it is built the same way."""

from copy import copy
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

INPUT_NAME = "features"
OUTPUT_NAME = "probability"
GRAPH_NAME = "assay"
IR_VERSION = 8
OPSET = 15
OPSET_ML = 1
LINE_SLOPE_MIN = 1e-9
"""A flatter line is shifted by its intercept alone."""


def line_constants(slope: float, intercept: float) -> tuple[float, float, float]:
    """Return root, slope and rest of slope · (value - root) + rest; the root is a float32.

    >>> line_constants(2.0, 3.0)
    (-1.5, 2.0, 0.0)
    """
    root = float(np.float32(-intercept / slope)) if abs(slope) > LINE_SLOPE_MIN else 0.0
    return root, slope, intercept + slope * root


class Graph:
    """Nodes from `features` float32[n, `width`] to `probability` float32[n, 1].

    Names are counted, nothing of the building process (versions, times) is written.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, value: NDArray[np.floating[Any]]) -> str:
        """Add a float32 constant and return its name."""
        return self._keep(value.astype(np.float32))

    def narrowed(self, features: str, columns: NDArray[np.int64]) -> tuple["Graph", str]:
        """Add a choice of `columns` int64[m] of `features`.

        Returns this graph for building on them, `width` m, and the name of float32[n, m].
        """
        view = copy(self)
        view.width = columns.size
        if np.array_equal(columns, np.arange(self.width)):
            return view, features
        name = f"value_{len(self._nodes)}"
        chosen = self._keep(columns.astype(np.int64))
        self._nodes.append(
            helper.make_node("Gather", [features, chosen], [name], name=f"Gather_{name}", axis=1)
        )
        return view, name

    def _keep(self, value: NDArray[Any]) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(value, name))
        return name

    def node(self, op_type: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node of the standard domain with one output and return the output's name."""
        name = output or f"value_{len(self._nodes)}"
        label = f"{op_type}_{name}"
        self._nodes.append(helper.make_node(op_type, inputs, [name], name=label, **attributes))
        return name

    def line(self, value: str, slope: float, intercept: float) -> str:
        """Add slope · value + intercept, float32 `value`, and return the name of what it gives.

        As slope · (value - root) + rest: near the root, where a difference is exact in float32,
        two large terms would leave nothing but their rounding.
        """
        root, factor, rest = (
            self.constant(np.array([v])) for v in line_constants(slope, intercept)
        )
        shifted = self.node("Sub", value, root)
        scaled = self.node("Mul", shifted, factor)
        return self.node("Add", scaled, rest)

    def adopt(self, node: onnx.NodeProto, *inputs: str) -> str:
        """Add a copy of another graph's node of one output, wired to `inputs`."""
        name = f"value_{len(self._nodes)}"
        own = onnx.NodeProto()
        own.CopyFrom(node)
        del own.input[:], own.output[:]
        own.input.extend(inputs)
        own.output.append(name)
        own.name = f"{node.op_type}_{name}"
        self._nodes.append(own)
        return name

    def build(self) -> bytes:
        """Return the checked, serialised model. The last node must output `probability`."""
        features = helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, [None, self.width])
        probability = helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, [None, 1])
        graph = helper.make_graph(
            self._nodes, GRAPH_NAME, [features], [probability], self._constants
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", OPSET_ML)]
        model = helper.make_model(
            graph, producer_name="assay", ir_version=IR_VERSION, opset_imports=opsets
        )
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))
