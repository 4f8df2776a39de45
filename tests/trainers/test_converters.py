"""The trees that we write ourselves, held against what the public converters make of them."""

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestRegressor

from tests.trainers.edge_rows import margin_graph, run_batch
from tests.trainers.learner_checks import DIFFERENCE_MAX, TEST, TRAIN, WEIGHTS, WIDTH
from trainers.learner import Fitted
from trainers.learners import lightgbm, random_forest

SEED = 7
TREES = 32
ULPS = 4
"""Nearer to a threshold, a converter that rounds it to the nearest float32 may take a side."""


def converted(model: onnx.ModelProto, output: str, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """What another's graph says of rows x[n, k]: its last column, float64[n]."""
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (said,) = session.run([output], {session.get_inputs()[0].name: x})
    return np.asarray(said, dtype=np.float64)[:, -1]


def off_edges(fitted: Fitted, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows that stand nowhere within ULPS of a threshold."""
    near = np.zeros(len(x), dtype=np.bool_)
    for column, value in fitted.edges():
        reach = ULPS * np.spacing(np.float32(abs(value)))
        near |= np.abs(x[:, column] - np.float32(value)) <= reach
    return x[~near]


def rows_of(fitted: Fitted) -> NDArray[np.float32]:
    wide = np.random.default_rng(SEED).normal(scale=3.0, size=(500, WIDTH)).astype(np.float32)
    rows = off_edges(fitted, np.concatenate((TEST.x, TRAIN.x, wide)))
    assert len(rows) > 1_500
    return rows


def test_our_lightgbm_says_what_onnxmltools_makes_of_the_same_booster() -> None:
    fitted = lightgbm.fit(TRAIN.x, TRAIN.y, WEIGHTS, seed=SEED, threads=1)
    kind = [("features", FloatTensorType([None, WIDTH]))]
    theirs = convert_lightgbm(fitted.booster, initial_types=kind, zipmap=False, target_opset=15)
    rows = rows_of(fitted)
    said = converted(theirs, "probabilities", rows)
    ours = 1.0 / (1.0 + np.exp(-run_batch(margin_graph(fitted, WIDTH), rows)))
    assert np.ptp(ours) > 0.2
    assert np.abs(said - ours).max() <= DIFFERENCE_MAX


@pytest.mark.parametrize("columns", ["sqrt", "third"])
def test_our_forest_says_what_skl2onnx_makes_of_the_same_trees(
    columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown: list[RandomForestRegressor] = []

    def kept(*args: object, **told: object) -> RandomForestRegressor:
        grown.append(RandomForestRegressor(*args, **told))
        return grown[-1]

    monkeypatch.setattr(random_forest, "RandomForestRegressor", kept)
    # Our steps of 4e-6 are tested elsewhere; this is of trees, thresholds and leaves.
    monkeypatch.setattr(random_forest, "SHARE_STEP", 2.0**-30)
    params = random_forest.Params(columns=columns, trees=TREES)
    fitted = random_forest.fit(TRAIN.x, TRAIN.y, WEIGHTS, seed=SEED, threads=1, params=params)
    rows = rows_of(fitted)
    said = converted(to_onnx(grown[0], TRAIN.x[:1], target_opset=15), "variable", rows)
    ours = run_batch(margin_graph(fitted, WIDTH), rows) + random_forest.MIDDLE_SHARE
    assert np.ptp(ours) > 0.2
    assert np.abs(said - ours).max() <= DIFFERENCE_MAX
