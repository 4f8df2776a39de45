"""A card says what a model is, in bytes that never vary."""

import msgspec
import numpy as np
import pytest

from models.card import GOLDEN_ROWS_MAX, decode_card, digest_of_card, encode_card, version_of
from models.input_guard import fit_input_guard
from streams.errors import ModelError, ModelRefused
from tests.models.tiny_model import tiny_artifact

ARTIFACT = tiny_artifact(("ibs", "signal_score"), (2.0, 1.0), -1.0)
CARD = ARTIFACT.card


def changed(**fields: object) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(CARD, **fields), order="sorted")


def test_a_card_comes_back_as_it_was_written():
    rows = np.random.default_rng(1).normal(size=(200, 2)).astype(np.float32)
    card = msgspec.structs.replace(CARD, input_guard=fit_input_guard(rows), symbol="BRK.B")
    assert decode_card(encode_card(card)) == card


def test_the_same_model_has_the_same_card_bytes_and_so_the_same_version():
    again = tiny_artifact(("ibs", "signal_score"), (2.0, 1.0), -1.0)
    assert again == ARTIFACT
    assert ARTIFACT.version == f"rsi2_mean_reversion-{ARTIFACT.digest[:12]}"
    assert version_of("a", digest_of_card(b"")) == "a-e3b0c44298fc"


def test_any_change_of_the_card_is_another_model():
    other = tiny_artifact(("ibs", "signal_score"), (2.0, 1.0), -1.0, seed=8)
    assert other.digest != ARTIFACT.digest


def test_fields_of_a_later_version_are_ignored():
    fields = msgspec.json.decode(ARTIFACT.card_bytes) | {"carbon_grams": 3}
    assert decode_card(msgspec.json.encode(fields)) == CARD


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "not readable"),
        (b"\xff\xfe", "not readable"),
        (b"[" * 100_000, "not readable"),
        (b'{"strategy":"a"}', "missing required field"),
        (b" " * (4 * 1024 * 1024 + 1), "has 4194305 bytes, at most 4194304"),
        (changed(format=2), "format 2, this version reads 1; upgrade"),
        (changed(features=("ibs", "ibs")), "names a feature twice: ibs"),
        (changed(features=("ibs", "rsi_2")), "features_digest is"),
        (changed(golden_outputs=b""), "golden rows do not fit"),
        (changed(golden_inputs=CARD.golden_inputs[:-1]), "golden rows do not fit"),
        (changed(onnx_sha256="short"), "onnx_sha256"),
    ],
)
def test_what_is_no_sound_card_is_refused(data, text):
    with pytest.raises(ModelRefused, match=text):
        decode_card(data)


def test_more_golden_rows_than_allowed_are_refused():
    count = GOLDEN_ROWS_MAX + 1
    data = changed(golden_inputs=bytes(8 * count), golden_outputs=bytes(8 * count))
    with pytest.raises(ModelRefused, match="1 to 256 rows"):
        decode_card(data)


def test_a_guard_for_other_features_is_refused():
    rows = np.random.default_rng(1).normal(size=(200, 3)).astype(np.float32)
    with pytest.raises(ModelRefused, match="covers 3 features, the model has 2"):
        decode_card(changed(input_guard=fit_input_guard(rows)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_figure_that_is_not_defined_is_not_written(value):
    card = msgspec.structs.replace(CARD, validation={"auc": value})
    with pytest.raises(ModelError, match=r"validation\.auc must be a finite number"):
        encode_card(card)
