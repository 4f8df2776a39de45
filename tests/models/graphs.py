"""ONNX graphs that a scorer must refuse, and one of trees that it must take."""

import hashlib
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from models.artifact import Artifact, seal
from tests.models.tiny_model import TEST_SIGNER, tiny_card

WIDTH = 2
FEATURES = ("ibs", "signal_score")


def graph(
    nodes: list[NodeProto],
    input_shape: tuple[Any, ...] = (None, WIDTH),
    output_shape: tuple[Any, ...] = (None, 1),
    constants: dict[str, Any] | None = None,
    domains: tuple[str, ...] = ("", "ai.onnx.ml"),
    input_name: str = "features",
    output_name: str = "probability",
    input_type: int = TensorProto.FLOAT,
) -> Any:
    """A model of `nodes`, by default from `features` to `probability`."""
    built = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(input_name, input_type, input_shape)],
        [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, output_shape)],
        [
            numpy_helper.from_array(np.asarray(value), name)
            for name, value in (constants or {}).items()
        ],
    )
    versions = {"": 17, "ai.onnx.ml": 3}
    opsets = [helper.make_opsetid(domain, versions.get(domain, 1)) for domain in domains]
    return helper.make_model(built, opset_imports=opsets, ir_version=8)


def mean_then(*operators: str, **options: Any) -> Any:
    """The mean of the row, then one operator after the other."""
    nodes = [helper.make_node("ReduceMean", ["features"], ["value_0"], axes=[1], keepdims=1)]
    for place, operator in enumerate(operators):
        last = place == len(operators) - 1
        output = options.get("output_name", "probability") if last else f"value_{place + 1}"
        nodes.append(helper.make_node(operator, [f"value_{place}"], [output]))
    return graph(nodes, **options)


def stump() -> Any:
    """One tree: 0.25 when the first column is <= 0.5, else 0.75."""
    tree = helper.make_node(
        "TreeEnsembleRegressor",
        ["features"],
        ["probability"],
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2],
        nodes_featureids=[0, 0, 0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_values=[0.5, 0.0, 0.0],
        nodes_truenodeids=[1, 0, 0],
        nodes_falsenodeids=[2, 0, 0],
        target_treeids=[0, 0],
        target_nodeids=[1, 2],
        target_ids=[0, 0],
        target_weights=[0.25, 0.75],
    )
    return graph([tree])


def sealed(model: Any, rows: Any = ((0.2, 0.4),), outputs: Any = (0.5,)) -> Artifact:
    """The model, signed, with golden rows of one's choice."""
    onnx = model if isinstance(model, bytes) else bytes(model.SerializeToString())
    card = tiny_card(
        FEATURES,
        (1.0, 1.0),
        0.0,
        onnx,
        onnx_sha256=hashlib.sha256(onnx).hexdigest(),
        golden_inputs=np.array(rows, dtype="<f4").tobytes(),
        golden_outputs=np.array(outputs, dtype="<f8").tobytes(),
    )
    return seal(card, onnx, TEST_SIGNER)
