"""A model speaks only after it has proved itself, and then always the same."""

import hashlib

import msgspec
import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from models import artifact as artifacts
from models.artifact import Artifact
from models.input_guard import InputGuard, fit_input_guard
from models.onnx_session import load_model
from models.signing import SigningKey
from streams.errors import ModelRefused
from tests.models.graphs import FEATURES, graph, mean_then, sealed, stump
from tests.models.tiny_model import TEST_SIGNER, tiny_artifact

SERVED = ("rsi_2", "ibs", "atr_14", "signal_score", "signal_side", "signal_z1")
TRUSTED = (TEST_SIGNER.public_hex,)
NAN = float("nan")


def load(artifact: Artifact, served: tuple[str, ...] = SERVED, **options: object):
    return load_model(artifact, served, trusted_keys=TRUSTED, **options)  # type: ignore[arg-type]


def tiny(weights=(2.0, 1.0), bias=-1.0, features=FEATURES, **changes: object) -> Artifact:
    return tiny_artifact(features, weights, bias, **changes)  # type: ignore[arg-type]


def vector(**values: float) -> np.ndarray:
    return np.array([values.get(name, NAN) for name in SERVED], dtype=np.float32)


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + np.exp(-x))


def test_a_model_picks_its_columns_by_name_and_in_its_own_order():
    model = load(tiny((2.0, 1.0), -1.0, features=("signal_score", "ibs")))
    served = vector(ibs=0.25, signal_score=0.75)
    assert model.predict(served) == pytest.approx(sigmoid(2 * 0.75 + 0.25 - 1), abs=1e-6)
    assert model.speak(served) == (model.predict(served), ())


def test_a_model_knows_who_it_is():
    artifact = tiny(symbol="AAPL")
    model = load(artifact, expected_digest=artifact.digest)
    assert (model.digest, model.version) == (artifact.digest, artifact.version)
    assert model.card == artifact.card


def test_the_same_vector_gives_the_same_bits_whatever_was_asked_before():
    rows = np.random.default_rng(3).normal(size=(200, len(SERVED))).astype(np.float32)
    forward, backward = load(tiny()), load(tiny())
    first = [forward.predict(row) for row in rows]
    second = [backward.predict(row) for row in rows[::-1]][::-1]
    assert first == second


def test_a_score_is_that_of_a_plain_run_of_the_graph():
    artifact = tiny()
    session = onnxruntime.InferenceSession(artifact.onnx, providers=["CPUExecutionProvider"])
    model = load(artifact, FEATURES)
    for row in np.random.default_rng(4).normal(size=(50, 2)).astype(np.float32):
        plain = session.run(["probability"], {"features": row.reshape(1, 2)})[0].item()
        assert model.predict(row) == plain


def test_a_graph_of_trees_without_a_second_axis_is_taken():
    rows, outputs = ((0.5, 0.0), (np.nextafter(np.float32(0.5), np.float32(1)), 0.0)), (0.25, 0.75)
    model = load(sealed(stump(), rows, outputs))
    assert model.predict(vector(ibs=0.5, signal_score=0.0)) == 0.25
    assert model.predict(vector(ibs=0.6, signal_score=0.0)) == 0.75
    axis = helper.make_node("ReduceMean", ["features"], ["probability"], axes=[1], keepdims=0)
    flat = load(sealed(graph([axis], output_shape=(None,)), outputs=(0.3,)))
    assert flat.predict(vector(ibs=0.5, signal_score=0.25)) == 0.375


def test_a_model_says_nothing_on_a_row_that_cannot_be_served():
    model = load(tiny(features=("ibs", "signal_z1")))
    assert model.speak(vector(signal_z1=1.0)) == (None, ("warming",))
    assert model.speak(vector(ibs=1.0)) == (None, ("missing_feature:z1",))
    assert model.speak(vector()) == (None, ("warming", "missing_feature:z1"))
    assert model.speak(vector(ibs=np.inf, signal_z1=1.0)) == (None, ("not_finite:ibs",))
    assert model.speak(vector(ibs=3e38, signal_z1=3e38))[0] is not None


def test_a_column_that_is_not_the_model_s_may_hold_anything():
    model = load(tiny())
    assert model.speak(vector(ibs=0.5, signal_score=0.5))[0] is not None


def test_a_row_unlike_training_is_out_of_distribution():
    guard = InputGuard((0.5, 0.5), (0.25, 0.25), peak_limit=2.0, spread_limit=2.0)
    model = load(tiny(input_guard=guard))
    assert model.speak(vector(ibs=0.9, signal_score=0.9))[0] is not None
    assert model.speak(vector(ibs=1.1, signal_score=0.5)) == (None, ("out_of_distribution",))


def test_the_guard_sees_the_model_s_own_columns_and_not_their_neighbours():
    guard = InputGuard((0.5, 0.5), (0.25, 0.25), peak_limit=2.0, spread_limit=2.0)
    model = load(tiny(features=("signal_score", "ibs"), input_guard=guard))
    strange = vector(ibs=0.5, signal_score=0.5, rsi_2=1e30, signal_z1=np.inf)
    assert model.speak(strange)[0] is not None
    assert model.speak(vector(ibs=NAN, signal_score=9.0)) == (None, ("warming",))


def test_a_vector_need_not_be_writable_or_contiguous():
    model = load(tiny())
    served = vector(ibs=0.25, signal_score=0.75)
    strided = np.stack([served, served], axis=1)[:, 0]
    strided.flags.writeable = False
    assert not strided.flags.c_contiguous
    assert model.speak(strided) == model.speak(served)


def test_what_is_no_probability_is_not_said():
    model = load(sealed(mean_then("Abs"), outputs=(0.3,)))
    assert model.speak(vector(ibs=0.4, signal_score=0.6)) == (pytest.approx(0.5), ())
    assert model.speak(vector(ibs=4.0, signal_score=6.0)) == (None, ("model_output",))


def test_a_graph_that_fails_on_a_row_silences_the_model_not_the_scorer():
    # Where the first column is negative there is nothing to gather: the output has no rows.
    nodes = [
        helper.make_node("Relu", ["features"], ["positive"]),
        helper.make_node("NonZero", ["positive"], ["places"]),
        helper.make_node("Gather", ["places", "first"], ["chosen"], axis=0),
        helper.make_node("Gather", ["features", "chosen"], ["rows"], axis=0),
        helper.make_node("ReduceMean", ["rows"], ["probability"], axes=[1], keepdims=1),
    ]
    constants = {"first": np.array(0, dtype=np.int64)}
    rows, outputs = ((0.8, -0.2),), (0.3,)
    model = load(sealed(graph(nodes, constants=constants), rows, outputs))
    assert model.speak(vector(ibs=0.8, signal_score=-0.2)) == (pytest.approx(0.3), ())
    assert model.speak(vector(ibs=-0.8, signal_score=-0.2)) == (None, ("model_fault",))
    assert model.speak(vector(ibs=0.8, signal_score=-0.2)) == (pytest.approx(0.3), ())


def test_another_digest_than_the_deployed_one_is_refused():
    with pytest.raises(ModelRefused, match=r"has digest [0-9a-f]{12}, dddddddddddd was deployed"):
        load(tiny(), expected_digest="d" * 64)


def test_a_stranger_s_signature_and_none_at_all_are_refused():
    stranger = SigningKey(bytes(32))
    with pytest.raises(ModelRefused, match="not signed by a trusted key"):
        load(tiny(signer=stranger))
    with pytest.raises(ModelRefused, match="has 0 bytes"):
        load(changed(tiny(), signature=b""))


def changed(artifact: Artifact, **changes: bytes) -> Artifact:
    fields = {
        "card_bytes": artifact.card_bytes,
        "onnx": artifact.onnx,
        "signature": artifact.signature,
    }
    return Artifact(**(fields | changes))


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b"", lambda b: b + b"\0"])
def test_a_truncated_or_longer_graph_is_refused(damage):
    artifact = tiny()
    with pytest.raises(ModelRefused, match=r"graph has SHA-256 .* truncated, corrupt or another"):
        load(changed(artifact, onnx=damage(artifact.onnx)))


def test_a_card_that_was_touched_is_refused():
    artifact = tiny()
    touched = artifact.card_bytes.replace(b'"samples":500', b'"samples":900')
    assert touched != artifact.card_bytes
    with pytest.raises(ModelRefused, match="not signed"):
        load(changed(artifact, card_bytes=touched))


def test_a_signed_card_that_cannot_be_read_is_refused():
    noise = b"{}"
    with pytest.raises(ModelRefused, match="card is not readable"):
        load(Artifact(noise, b"", TEST_SIGNER.sign(noise)))


def test_a_feature_that_nobody_computes_is_refused_by_name():
    with pytest.raises(ModelRefused, match=r"feature 'rsi2' \(nearest: 'rsi_2'\)"):
        load(tiny(features=("rsi2", "ibs")))


def test_a_graph_that_is_too_large_is_refused(monkeypatch):
    artifact = tiny()
    monkeypatch.setattr(artifacts, "MODEL_BYTES_MAX", 10)
    with pytest.raises(ModelRefused, match="at most 10; train a smaller model"):
        load(artifact)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (mean_then("Sigmoid", input_shape=(None, 3)), "its card lists 2 features"),
        (mean_then("Sigmoid", input_shape=(None, None)), "its card lists 2 features"),
        (mean_then("Sigmoid", input_shape=(8, 2), output_shape=(8, 1)), "its card lists 2"),
        (mean_then("Sigmoid", input_name="x").SerializeToString(), "cannot load"),
        (mean_then("Sigmoid", output_name="p"), r"gives \['p'\]; one input 'features'"),
        (graph([helper.make_node("Sigmoid", ["features"], ["probability"])],
               output_shape=(None, 2)), r"output is tensor\(float\)"),
        (graph([helper.make_node("ReduceMean", ["features"], ["probability"])],
               input_type=TensorProto.DOUBLE), "cannot load"),
        (mean_then("NoSuchOperator"), "onnxruntime cannot load the graph"),
        (b"\x08\x08", "holds no ONNX graph"),
    ],
)  # fmt: skip
def test_a_graph_of_another_shape_is_refused(model, text):
    with pytest.raises(ModelRefused, match=text):
        load(sealed(model))


def test_an_operator_beyond_the_standard_is_refused():
    node = helper.make_node("Gelu", ["features"], ["probability"], domain="com.microsoft")
    with pytest.raises(ModelRefused, match=r"com\.microsoft"):
        load(sealed(graph([node])))


def test_golden_rows_that_do_not_reproduce_are_refused_with_both_values():
    with pytest.raises(ModelRefused, match=r"golden row 1 gives 0\.4.* here, 0\.41 where it was"):
        load(sealed(mean_then("Abs"), ((0.2, 0.4), (0.4, 0.4)), (0.3, 0.41)))


def test_a_golden_row_outside_of_probabilities_is_refused():
    with pytest.raises(ModelRefused, match=r"gives 3\.0, a probability must be in \[0, 1\]"):
        load(sealed(mean_then("Abs"), ((3.0, 3.0),), (3.0,)))


def test_a_golden_row_that_gives_nothing_is_refused():
    with pytest.raises(ModelRefused, match="gives nan"):
        load(sealed(mean_then("Sqrt"), ((-3.0, -3.0),), (0.5,)))
    with pytest.raises(ModelRefused, match="golden row 0 gives"):
        load(sealed(mean_then("Abs"), ((0.5, 0.5),), (NAN,)))


@pytest.mark.parametrize(
    ("card_symbol", "scope", "is_refused"),
    [
        (None, ("alpha", None), False),
        (None, ("alpha", "AAPL"), False),
        ("AAPL", ("alpha", "AAPL"), False),
        ("AAPL", ("alpha", None), True),
        ("AAPL", ("alpha", "MSFT"), True),
        (None, ("beta", None), True),
    ],
)
def test_a_model_speaks_only_where_it_belongs(card_symbol, scope, is_refused):
    artifact = tiny(strategy="alpha", symbol=card_symbol)
    if is_refused:
        with pytest.raises(ModelRefused, match=r"was trained for alpha on .* deploy it where"):
            load(artifact, scope=scope)
    else:
        assert load(artifact, scope=scope).card.symbol == card_symbol


def test_a_guard_fitted_on_the_training_rows_travels_with_the_card():
    rows = np.random.default_rng(5).uniform(size=(500, 2)).astype(np.float32)
    artifact = tiny(input_guard=fit_input_guard(rows))
    decoded = msgspec.json.decode(artifact.card_bytes)
    assert decoded["input_guard"]["budget"] == 0.01
    model = load(artifact)
    spoken = [model.speak(vector(ibs=a, signal_score=b))[0] is not None for a, b in rows]
    assert sum(spoken) >= 495
    assert hashlib.sha256(artifact.card_bytes).hexdigest() == model.digest
