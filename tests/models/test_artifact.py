"""A model travels as one bundle and rests as three files; neither is trusted for its size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import artifact as artifacts
from models.artifact import Artifact, load_artifact, save_artifact, seal
from streams.errors import ModelRefused
from tests.models.tiny_model import TEST_SIGNER, tiny_artifact

ARTIFACT = tiny_artifact(("ibs",), (1.0,), 0.0)
BUNDLE = ARTIFACT.to_bundle()


def test_a_bundle_and_its_files_hold_the_same_model(tmp_path):
    assert Artifact.from_bundle(BUNDLE) == ARTIFACT
    save_artifact(ARTIFACT, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "model.card.json",
        "model.onnx",
        "model.sig",
    ]
    assert load_artifact(tmp_path) == ARTIFACT


def test_a_model_can_be_saved_and_found_under_a_name(tmp_path):
    path = save_artifact(ARTIFACT, tmp_path / "models", name="rsi2.v1")
    assert path.name == "rsi2.v1.onnx"
    assert load_artifact(path) == ARTIFACT


def test_saving_again_replaces_the_files_and_leaves_no_others(tmp_path):
    save_artifact(tiny_artifact(("ibs",), (9.0,), 0.0), tmp_path)
    save_artifact(ARTIFACT, tmp_path)
    assert load_artifact(tmp_path) == ARTIFACT
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("suffix", [".onnx", ".card.json", ".sig"])
def test_a_missing_file_is_named(tmp_path, suffix):
    save_artifact(ARTIFACT, tmp_path)
    (tmp_path / f"model{suffix}").unlink()
    with pytest.raises(ModelRefused, match=rf"model{suffix} cannot be read.*three files"):
        load_artifact(tmp_path)


def test_a_signature_file_that_is_no_hex_is_refused(tmp_path):
    save_artifact(ARTIFACT, tmp_path)
    (tmp_path / "model.sig").write_bytes(b"\xffnot hex")
    with pytest.raises(ModelRefused, match="holds no signature in hex"):
        load_artifact(tmp_path)


@given(st.integers(0, len(BUNDLE) - 1))
def test_a_truncated_bundle_is_refused(size):
    with pytest.raises(ModelRefused, match="truncated or corrupt"):
        Artifact.from_bundle(BUNDLE[:size])


@given(st.binary(max_size=200))
def test_noise_is_no_bundle(data):
    with pytest.raises(ModelRefused):
        Artifact.from_bundle(data)


def test_what_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = save_artifact(ARTIFACT, tmp_path)
    monkeypatch.setattr(artifacts, "MODEL_BYTES_MAX", 100)
    with pytest.raises(ModelRefused, match=r"graph has \d+ bytes, at most 100"):
        Artifact.from_bundle(BUNDLE)
    with pytest.raises(ModelRefused, match=r"graph has \d+ bytes, at most 100"):
        ARTIFACT.to_bundle()
    with pytest.raises(ModelRefused, match=r"graph has \d+ bytes, at most 100"):
        save_artifact(ARTIFACT, tmp_path)
    with pytest.raises(ModelRefused, match="has more than 100 bytes"):
        load_artifact(path)
    with pytest.raises(ModelRefused, match="the bundle has"):
        Artifact.from_bundle(bytes(8 * 1024 * 1024))


def test_a_card_is_sealed_with_its_own_graph_only():
    other = tiny_artifact(("ibs",), (2.0,), 0.0)
    with pytest.raises(ModelRefused, match="onnx_sha256 is"):
        seal(ARTIFACT.card, other.onnx, TEST_SIGNER)
