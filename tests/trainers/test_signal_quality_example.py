"""The example of the README: from bars to a probability, on the bundled sample."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from models.predictor import SignalQualityPredictor

EXAMPLE = """
from models.predictor import SignalQualityPredictor
from streams.source_settings import SourceSettings
from trainers.dataset_frames import dataset_of_frame
from trainers.extraction.feature_extractor import FeatureExtractor
from trainers.research.histories import read_history
from trainers.signal_quality_model import SignalQualityModel

bars = read_history(SourceSettings(kind="sample"))
frame = FeatureExtractor(overlapping=True).extract_history("ibs_reversion", bars)
model = SignalQualityModel(strategy="ibs_reversion").fit_samples(dataset_of_frame(frame))
path = model.save("models/ibs_reversion.onnx")

print(SignalQualityModel.load(path).predict_proba(frame.tail(1)))
print(SignalQualityPredictor(path).predict(frame.row(-1, named=True)))
"""


def test_the_example_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert len(EXAMPLE.strip().splitlines()) <= 15
    said, names = io.StringIO(), {}
    with contextlib.redirect_stdout(said):
        exec(compile(EXAMPLE, "example", "exec"), names)
    both, prediction = said.getvalue().splitlines()
    lost, won = map(float, re.findall(r"0\.\d+", both))
    assert lost + won == pytest.approx(1.0)
    assert prediction.startswith(f"Prediction(probability={won:.4f}"[:-2])
    assert len(names["frame"]) > 500
    assert names["model"].card_.validation["out_of_fold_samples"] > 400
    assert (
        SignalQualityPredictor("models/ibs_reversion.onnx").features
        == names["model"].card_.features
    )
    row = names["frame"].row(-1, named=True)
    assert not {"symbol", "y_binary"} & set(names["model"].card_.features)
    assert set(names["model"].card_.features) < set(row)
