"""A model speaks in any Python program as it does in the scorer."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.artifact import save_artifact
from models.input_guard import InputGuard
from models.onnx_session import load_model
from models.predictor import ANYBODY, Prediction, SignalQualityPredictor
from models.settings import MlSettings
from models.signing import SigningKey
from streams.errors import ModelError, ModelRefused
from streams.interval import DAY_NS
from tests.house import ROOT
from tests.models.tiny_model import TEST_SIGNER, tiny_artifact

# Not scipy: numba looks for it, and loads it where it is installed.
NEVER_ONLINE = {
    "catboost", "lightgbm", "nats", "onnx", "onnxmltools", "optuna", "pandas", "plotly",
    "polars", "river", "rich", "shap", "sklearn", "skl2onnx", "sqlalchemy",
    "typer", "xgboost",
}  # fmt: skip
NAMES = ("ibs", "signal_score")
ROW = {"ibs": 0.25, "signal_score": 0.75, "another": 9.0}
GUARD = InputGuard((0.5, 0.5), (0.25, 0.25), peak_limit=2.0, spread_limit=2.0)
PROGRAM = """
import json, sys
from models.predictor import SignalQualityPredictor
said = SignalQualityPredictor(sys.argv[1]).predict({"ibs": 0.25, "signal_score": 0.75})
loaded = sorted({name.partition(".")[0] for name, module in sys.modules.items() if module})
print(json.dumps([said.probability, loaded]))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save_artifact(tiny_artifact(NAMES, (2.0, 1.0), -1.0, input_guard=GUARD), tmp_path)


def predictor(path: Path, **settings: object) -> SignalQualityPredictor:
    return SignalQualityPredictor(path, MlSettings(**settings))


def test_it_says_what_the_scorers_model_says(path: Path):
    served = ("atr_14", "signal_score", "ibs")
    artifact = tiny_artifact(NAMES, (2.0, 1.0), -1.0, input_guard=GUARD)
    scorer = load_model(artifact, served, (TEST_SIGNER.public_hex,))
    own = predictor(path)
    assert (own.features, own.version, own.card) == (NAMES, scorer.version, scorer.card)
    for ibs, score in np.random.default_rng(2).uniform(-0.5, 1.5, (50, 2)).tolist():
        vector = np.array([np.nan, score, ibs], dtype=np.float32)
        said = own.predict({"ibs": ibs, "signal_score": score})
        assert said == Prediction(*scorer.speak(vector))


def test_a_folder_and_the_settings_name_a_model_too(path: Path):
    given = predictor(path).predict(ROW)
    assert SignalQualityPredictor(path.parent).predict(ROW) == given
    assert SignalQualityPredictor(settings=MlSettings(model_path=str(path))).predict(ROW) == given


@pytest.mark.parametrize(
    ("features", "reasons"),
    [
        ({"ibs": 0.25}, ("missing_feature:signal_score",)),
        ({"ibs": None, "signal_score": 0.5}, ("missing_feature:ibs",)),
        ({}, ("missing_feature:ibs", "missing_feature:signal_score")),
        ({"ibs": float("nan"), "signal_score": 0.5}, ("warming",)),
        ({"ibs": float("inf"), "signal_score": 0.5}, ("not_finite:ibs",)),
        ({"ibs": -1e39, "signal_score": 0.5}, ("not_finite:ibs",)),
        ({"ibs": 10**400, "signal_score": 0.5}, ("not_finite:ibs",)),
        ({"ibs": 50.0, "signal_score": 0.5}, ("out_of_distribution",)),
    ],
)
def test_it_says_why_it_does_not_speak(path: Path, features, reasons):
    assert predictor(path).predict(features) == (None, reasons)


def test_what_is_no_number_is_refused(path: Path):
    for value in ("low", "0.25", b"1", [], 1j):
        with pytest.raises(ModelError, match="feature ibs must be a number, was "):
            predictor(path).predict({"ibs": value, "signal_score": 0.5})  # type: ignore[dict-item]
    with pytest.raises(ModelError, match=r"score must be in \[0, 1\], was 7.0"):
        predictor(path).apply(7.0, ROW)


def test_a_decision_is_that_of_the_mode(path: Path):
    p = predictor(path).predict(ROW).probability
    assert p == pytest.approx(1.0 / (1.0 + np.exp(-0.25)), abs=1e-6)
    blend = predictor(path, prediction_mode="enhance", ml_weight=0.5).apply(0.4, ROW)
    assert blend.final_score == pytest.approx(0.5 * 0.4 + 0.5 * p)
    assert predictor(path, prediction_mode="replace").apply(0.4, ROW).final_score == p
    strict = predictor(path, confidence_threshold=0.9).apply(0.4, ROW)
    assert (strict.accepted, strict.reasons) == (False, ("below_threshold",))
    silent = predictor(path, fallback="block").apply(0.4, {})
    assert (silent.accepted, silent.mode) == (False, "block")
    assert silent.reasons == ("missing_feature:ibs", "missing_feature:signal_score")
    assert predictor(path).apply(0.4, ROW, policy="block").reasons == ("policy:block",)


def test_an_old_model_falls_silent(path: Path):
    aged = predictor(path, max_age_days=30.0)
    end = aged.card.training_to_ts
    assert aged.apply(0.4, ROW, ts=end + 30 * DAY_NS).probability is not None
    late = aged.apply(0.4, ROW, ts=end + 30 * DAY_NS + 1)
    assert (late.probability, late.mode, late.reasons) == (None, "pass_through", ("expired",))
    assert predictor(path).apply(0.4, ROW, ts=end + 900 * DAY_NS).probability is not None


def test_a_missing_path_says_what_to_do(tmp_path: Path):
    with pytest.raises(ModelRefused, match=r"nothing\.onnx does not exist: train a model with"):
        SignalQualityPredictor(tmp_path / "nothing.onnx")
    for nothing in (None, ""):
        with pytest.raises(ModelRefused, match=r"no model is named: give model_path, or set ml\."):
            SignalQualityPredictor(nothing)
    (tmp_path / "alone.onnx").write_bytes(b"x")
    with pytest.raises(ModelRefused, match=r"alone\.card\.json cannot be read"):
        SignalQualityPredictor(tmp_path / "alone.onnx")


def test_keys_that_are_given_decide_who_may_speak(path: Path):
    trusted = SignalQualityPredictor(path, trusted_keys=(TEST_SIGNER.public_hex,))
    assert trusted.predict(ROW).probability is not None
    for keys in ((), (SigningKey(bytes(range(1, 33))).public_hex,), (ANYBODY.public_hex,)):
        with pytest.raises(ModelRefused, match="not signed by a trusted key"):
            SignalQualityPredictor(path, trusted_keys=keys)


def test_files_that_do_not_belong_together_are_refused_whoever_signed(path: Path):
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelRefused, match="truncated, corrupt or another"):
        SignalQualityPredictor(path)


def test_it_loads_no_offline_library(path: Path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    probability, loaded = json.loads(done.stdout)
    assert probability == predictor(path).predict(ROW).probability
    assert "onnxruntime" in loaded
    assert not NEVER_ONLINE & set(loaded)
