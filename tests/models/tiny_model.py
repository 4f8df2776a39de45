"""A tiny signed model for tests: a logistic function of named features."""

import hashlib
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from models.artifact import Artifact, seal
from models.card import ModelCard
from models.input_guard import InputGuard
from models.signing import SigningKey
from models.vector import digest_of

TEST_SIGNER = SigningKey(bytes(range(32)))
GOLDEN_ROWS = 5


def logistic_onnx(weights: tuple[float, ...], bias: float) -> bytes:
    """`sigmoid(features @ weights + bias)` as an ONNX graph."""
    width = len(weights)
    column = np.array(weights, dtype=np.float32).reshape(width, 1)
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["features", "weights", "bias"], ["margin"]),
            helper.make_node("Sigmoid", ["margin"], ["probability"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])],
        [
            numpy_helper.from_array(column, "weights"),
            numpy_helper.from_array(np.array([bias], dtype=np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString(deterministic=True))


def tiny_card(
    features: tuple[str, ...],
    weights: tuple[float, ...],
    bias: float,
    onnx: bytes,
    **changes: Any,
) -> ModelCard:
    """The card of such a graph; `changes` replaces any of its fields."""
    width = len(features)
    rows = np.random.default_rng(7).normal(size=(GOLDEN_ROWS, width)).astype("<f4")
    margins = rows.astype(np.float64) @ np.array(weights, dtype=np.float64) + bias
    fields: dict[str, Any] = {
        "strategy": "rsi2_mean_reversion",
        "symbol": None,
        "learner": "tiny",
        "features": features,
        "features_digest": digest_of(features),
        "onnx_sha256": hashlib.sha256(onnx).hexdigest(),
        "training_from_ts": 1_577_912_400_000_000_000,
        "training_to_ts": 1_609_448_400_000_000_000,
        "samples": 500,
        "data_digest": "0" * 64,
        "code_version": "test",
        "seed": 7,
        "golden_inputs": rows.tobytes(),
        "golden_outputs": (1.0 / (1.0 + np.exp(-margins))).astype("<f8").tobytes(),
        "native_max_difference": 0.0,
        "validation": {"auc": 0.6},
        "calibration": {"slope": 1.0},
    }
    return ModelCard(**(fields | changes))


def tiny_artifact(
    features: tuple[str, ...],
    weights: tuple[float, ...],
    bias: float,
    strategy: str = "rsi2_mean_reversion",
    symbol: str | None = None,
    signer: SigningKey | None = None,
    input_guard: InputGuard | None = None,
    **changes: Any,
) -> Artifact:
    """A deterministic, signed model: `sigmoid(weights · features + bias)`."""
    onnx = logistic_onnx(weights, bias)
    card = tiny_card(
        features,
        weights,
        bias,
        onnx,
        strategy=strategy,
        symbol=symbol,
        input_guard=input_guard,
        **changes,
    )
    return seal(card, onnx, signer or TEST_SIGNER)
