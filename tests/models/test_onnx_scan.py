"""What a graph is built of is known before anything runs it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from models import onnx_scan
from models.onnx_scan import scan
from streams.errors import ModelRefused
from tests.models.graphs import graph, mean_then, stump
from tests.models.tiny_model import logistic_onnx

TINY = logistic_onnx((1.0, 2.0), 0.5)


def test_standard_operators_pass_and_are_listed():
    assert scan(TINY) == {"Gemm", "Sigmoid"}
    assert scan(stump().SerializeToString()) == {"TreeEnsembleRegressor"}


@pytest.mark.parametrize("domain", ["com.microsoft", "ai.onnx.training", "evil"])
def test_an_operator_of_another_domain_is_refused(domain):
    node = helper.make_node("Gelu", ["features"], ["probability"], domain=domain)
    with pytest.raises(ModelRefused, match=f"uses 'Gelu' of the operator domain '{domain}'"):
        scan(graph([node]).SerializeToString())
    with pytest.raises(ModelRefused, match=f"imports the operator domain '{domain}'"):
        scan(mean_then("Sigmoid", domains=("", domain)).SerializeToString())


def test_weights_in_another_file_are_refused():
    model = mean_then("Sigmoid")
    weights = numpy_helper.from_array(np.ones(2, dtype=np.float32), "w")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    entry = weights.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    model.graph.initializer.append(weights)
    with pytest.raises(ModelRefused, match="keeps weights in another file"):
        scan(model.SerializeToString())


def test_weights_in_another_file_are_found_in_a_constant_too():
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    node = helper.make_node("Constant", [], ["probability"], value=tensor)
    with pytest.raises(ModelRefused, match="keeps weights in another file"):
        scan(graph([node]).SerializeToString())


def test_a_graph_in_a_graph_is_refused():
    inner = helper.make_graph(
        [helper.make_node("Constant", [], ["y"], value_float=0.5)],
        "inner",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    node = helper.make_node(
        "If", ["features"], ["probability"], then_branch=inner, else_branch=inner
    )
    with pytest.raises(ModelRefused, match="operator 'If' holds a graph of its own"):
        scan(graph([node]).SerializeToString())


def test_functions_are_refused():
    model = mean_then("Sigmoid")
    model.functions.append(
        helper.make_function("own", "F", ["x"], ["y"], [], [helper.make_opsetid("", 17)])
    )
    with pytest.raises(ModelRefused, match="defines functions of its own"):
        scan(model.SerializeToString())


def test_a_graph_of_too_many_nodes_is_refused(monkeypatch):
    monkeypatch.setattr(onnx_scan, "NODES_MAX", 3)
    with pytest.raises(ModelRefused, match="more than 3 nodes"):
        scan(mean_then("Abs", "Abs", "Sigmoid").SerializeToString())


@pytest.mark.parametrize("data", [b"", b"not onnx", b"\x80" * 40, bytes(100)])
def test_what_is_no_graph_is_refused(data):
    with pytest.raises(ModelRefused, match="fetch the model again"):
        scan(data)


def test_a_file_cut_in_the_middle_of_its_graph_is_refused():
    with pytest.raises(ModelRefused, match="truncated or corrupt"):
        scan(TINY[: len(TINY) // 2])


@given(st.integers(0, len(TINY) - 1), st.integers(0, 255), st.integers(0, len(TINY)))
def test_a_damaged_file_is_refused_or_read_but_never_breaks_the_scan(place, byte, size):
    damaged = bytearray(TINY)
    damaged[place] = byte
    try:
        operators = scan(bytes(damaged[:size]))
    except ModelRefused:
        return
    assert all(isinstance(operator, str) for operator in operators)
