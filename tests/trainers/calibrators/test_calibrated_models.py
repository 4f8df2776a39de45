"""A model carries any calibration through to the card and the graph."""

import numpy as np
import pytest

from models.card import decode_card
from streams.errors import ConfigError
from streams.events import Retrain
from streams.strict import decode_strict
from tests.trainers.samples import START_TS, layer_a_dataset
from trainers.calibrators.calibrate import METHODS, calibrate
from trainers.learner import load_learner
from trainers.onnx_export import DIFFERENCE_MAX, export, prove
from trainers.settings import TrainSettings
from trainers.training import train_candidate

FITTED_ROWS, HELD_ROWS = 500, 1_000
DATA = layer_a_dataset(FITTED_ROWS + HELD_ROWS, seed=31)
FITTED = DATA.take(np.arange(FITTED_ROWS))
HELD = DATA.take(np.arange(FITTED_ROWS, FITTED_ROWS + HELD_ROWS))
REQUEST = Retrain("r-1", "synthetic", None, "initial", 0, "test", ts=START_TS)
OWN_FIGURES = {"platt": set(), "beta": {"a", "b", "c"}, "isotonic": {"knots"}}


@pytest.mark.parametrize("learner", ["lightgbm", "logistic"])
def test_the_graph_agrees_with_the_learner_under_every_calibration(learner: str):
    fitted = load_learner(learner).fit(FITTED.x, FITTED.y, np.ones(FITTED_ROWS), seed=7, threads=1)
    margin = fitted.margin(HELD.x)
    for method in OWN_FIGURES:
        calibration = calibrate(margin, HELD.y, np.ones(HELD_ROWS), HELD.days, method=method)
        assert calibration.name == method
        onnx = export(fitted, calibration, 40)
        assert onnx == export(fitted, calibration, 40)
        assert prove(onnx, fitted, calibration, HELD.x[:200]) <= DIFFERENCE_MAX


@pytest.mark.parametrize("method", OWN_FIGURES)
def test_the_trainer_uses_the_method_it_is_told_and_the_card_shows_it(method: str):
    settings = TrainSettings(learners=("logistic",), calibration=method)
    card = decode_card(train_candidate(DATA, REQUEST, settings).card)
    assert {"slope", "intercept", "rows"} | OWN_FIGURES[method] <= set(card.calibration)
    assert OWN_FIGURES[method] or set(card.calibration) == {"slope", "intercept", "rows"}
    assert card.native_max_difference <= DIFFERENCE_MAX


def test_the_trainer_uses_platt_until_told_otherwise():
    assert TrainSettings().calibration == "platt"
    for method in METHODS:
        assert decode_strict({"calibration": method}, TrainSettings, "x").calibration == method
    with pytest.raises(ConfigError, match="calibration"):
        decode_strict({"calibration": "plat"}, TrainSettings, "x")
