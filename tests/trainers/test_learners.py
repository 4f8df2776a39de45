"""What holds for every learner, found by its file."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from streams.errors import ConfigError, ModelError
from tests.trainers.learner_checks import CHECKS, ROWS, TAIL, TEST, TRAIN
from tests.trainers.learner_checks import fit as checked_fit
from trainers.calibrators.platt import Platt, fit_platt
from trainers.learner import Learner, learner_names, load_learner
from trainers.learners.lightgbm import lightgbm_edges
from trainers.onnx_export import export, proof_rows, prove, run_rows


def fit(name: str):
    return checked_fit(load_learner(name))


def test_learners_are_found_by_their_file():
    names = {"catboost", "constant", "ensemble", "lightgbm", "logistic", "random_forest", "xgboost"}
    assert names <= set(learner_names())


def test_an_unknown_learner_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean lightgbm"):
        load_learner("lightgmb")


@pytest.mark.parametrize("name", learner_names())
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_learner(check: Callable[[Learner], None], name: str):
    check(load_learner(name))


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
    per_column = Counter(column for column, _ in edges)
    assert rows.shape[0] == 1 + 3 * len(edges) + 3 * max(per_column.values())
    column, value = edges[0]
    assert rows[1, column] == np.float32(value)
    assert rows[2, column] < rows[1, column] < rows[3, column]


def test_no_edge_is_passed_over_where_there_are_more_than_are_tried_alone(monkeypatch):
    fitted = fit("lightgbm")
    monkeypatch.setattr("trainers.onnx_export.PROOF_EDGES_MAX", 50)
    edges = fitted.edges()
    assert len(edges) > 2 * 50 > 2 * max(Counter(column for column, _ in edges).values())
    rows = proof_rows(fitted, TEST.x[:3])
    for column, value in edges:
        edge = np.float32(value)
        beside = [np.nextafter(edge, np.float32(side)) for side in (-np.inf, np.inf)]
        assert np.isin([edge, *beside], rows[:, column]).all()
    monkeypatch.setattr("trainers.onnx_export.PROOF_EDGES_MAX", 5)
    assert len(proof_rows(fitted, TEST.x[:3])) <= 3 + 2 * 3 * 5


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
