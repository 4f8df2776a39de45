"""What holds for every learner, found by its file."""

import numpy as np
import pytest

from streams.errors import ConfigError, ModelError
from tests.trainers.samples import layer_a_dataset
from trainers.calibrators.platt import Platt, fit_platt
from trainers.learner import learner_names, load_learner
from trainers.learners.lightgbm import lightgbm_edges
from trainers.metrics import auc
from trainers.onnx_export import export, native, proof_rows, prove, run_rows

ROWS = 600
DATA = layer_a_dataset(ROWS + 1_000, seed=11)
TRAIN, TEST = DATA.take(np.arange(ROWS)), DATA.take(np.arange(ROWS, ROWS + 1_000))
WEIGHTS = np.random.default_rng(3).uniform(0.5, 1.5, ROWS)
TAIL = Platt(0.9, -0.1, ROWS)


def fit(name: str, seed: int = 7):
    return load_learner(name).fit(TRAIN.x, TRAIN.y, WEIGHTS, seed=seed, threads=1)


def test_learners_are_found_by_their_file():
    assert {"constant", "lightgbm", "logistic"} <= set(learner_names())


def test_an_unknown_learner_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean lightgbm"):
        load_learner("lightgmb")


@pytest.mark.parametrize("name", learner_names())
class TestEveryLearner:
    def test_onnx_agrees_on_every_edge_and_one_ulp_beside(self, name: str):
        fitted = fit(name)
        assert prove(export(fitted, TAIL, 40), fitted, TAIL, TEST.x[:50]) <= 1e-6

    def test_fitting_twice_gives_the_same_bytes(self, name: str):
        assert export(fit(name), TAIL, 40) == export(fit(name), TAIL, 40)

    def test_any_number_of_rows_is_answered(self, name: str):
        fitted = fit(name)
        rows = run_rows(export(fitted, TAIL, 40), TEST.x[:3])
        assert np.allclose(rows, native(fitted, TAIL, TEST.x[:3]), atol=1e-6)

    def test_a_skilled_margin_rises_with_the_outcome(self, name: str):
        if name != "constant":
            assert auc(TEST.y, fit(name).margin(TEST.x)) > 0.6

    def test_weights_are_heeded(self, name: str):
        if name == "constant":
            return
        learner = load_learner(name)
        half = np.where(np.arange(ROWS) < ROWS // 2, 1e-9, 1.0)
        heavy = learner.fit(TRAIN.x, TRAIN.y, half, seed=7, threads=1)
        assert not np.allclose(heavy.margin(TEST.x), fit(name).margin(TEST.x))


def test_thresholds_rounded_to_nearest_are_caught_by_the_proof(monkeypatch):
    fitted = fit("lightgbm")
    monkeypatch.setattr("trainers.learners.lightgbm.lightgbm_edges", np.float32)
    nearest = export(fit("lightgbm"), TAIL, 40)
    monkeypatch.undo()
    with pytest.raises(ModelError, match="must agree with the learner"):
        prove(nearest, fitted, TAIL, TEST.x[:5])


def test_proof_rows_stand_on_every_edge_and_beside_it():
    fitted = fit("lightgbm")
    edges = fitted.edges()
    assert len(edges) > 100
    rows = proof_rows(fitted, TEST.x[:1])
    assert rows.shape[0] == 1 + 3 * len(edges)
    column, value = edges[0]
    assert rows[1, column] == np.float32(value)
    assert rows[2, column] < rows[1, column] < rows[3, column]


@pytest.mark.parametrize("value", [0.1, -0.1, 1.0, -2.5, 3.3e-30, -1e30])
def test_an_edge_keeps_every_float32_on_its_side(value: float):
    (edge,) = lightgbm_edges(np.array([value]))
    for x in (np.nextafter(edge, np.float32(-np.inf)), edge, np.nextafter(edge, np.float32(1e38))):
        assert (float(x) <= value) == bool(x <= edge)


def test_trees_that_split_at_zero_agree_beside_it():
    # LightGBM puts its edge at ±1e-35 and reads everything between as zero.
    rng = np.random.default_rng(5)
    x = rng.choice([-1.0, 0.0, 1.0], size=(500, 1)).astype(np.float32)
    y = (rng.random(500) < np.where(x[:, 0] == 0.0, 0.2, 0.8)).astype(np.int8)
    fitted = load_learner("lightgbm").fit(x, y, np.ones(500), seed=7, threads=1)
    assert {np.sign(value) for _, value in fitted.edges()} == {-1.0, 1.0}
    near = np.array([0.0, -0.0, 1e-36, -1e-36, 1e-35, -1e-35, 1e-34, -1e-34], dtype=np.float32)
    assert prove(export(fitted, TAIL, 1), fitted, TAIL, near[:, None]) <= 1e-6


def test_the_null_model_says_the_base_rate():
    calibration = fit_platt(np.zeros(ROWS), TRAIN.y, np.ones(ROWS))
    said = run_rows(export(fit("constant"), calibration, 40), TEST.x[:5])
    assert said == pytest.approx(TRAIN.y.mean(), abs=5e-3)


def test_a_graph_that_differs_is_not_let_out():
    fitted = fit("logistic")
    other = export(fitted, Platt(0.9, -0.1001, ROWS), 40)
    with pytest.raises(ModelError, match="must agree with the learner"):
        prove(other, fitted, TAIL, TEST.x[:5])
