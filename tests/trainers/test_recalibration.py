"""A recalibrated model ranks as it did, says what fits, and comes in only where that helps."""

import msgspec
import numpy as np
import onnx
import pytest
from onnx import helper

from models.artifact import Artifact
from models.card import decode_card
from models.onnx_session import load_model
from models.signing import SigningKey
from streams.errors import ModelError
from streams.events import Retrain
from tests.trainers.samples import START_TS, dataset_of, layer_a_dataset
from trainers.calibrators.calibrator import sigmoid
from trainers.calibrators.platt import fit_platt
from trainers.dataset import Dataset
from trainers.gate import (
    NOT_BETTER_THAN_CHAMPION,
    NOT_BETTER_THAN_NULL,
    PROMOTED,
    TOO_FEW_OUTCOMES,
)
from trainers.last_line import last_line
from trainers.onnx_export import run_rows
from trainers.recalibration import fit_shift, recalibrate
from trainers.retraining.champion import ServedChampion
from trainers.settings import TrainSettings
from trainers.training import NO_MODEL, NO_SAMPLES, train_candidate

SETTINGS = TrainSettings()
SIGNER = SigningKey(bytes(range(32)))
TRAINED = 700
LATER = 700
SHIFT = 0.6


def request(since_ts: int = 0) -> Retrain:
    return Retrain("r-2", "synthetic", None, "calibration:intercept", since_ts, "test", START_TS)


def sealed(card: bytes, graph: bytes) -> Artifact:
    return Artifact(card, graph, SIGNER.sign(card))


def served(artifact: Artifact, samples: Dataset) -> ServedChampion:
    return ServedChampion(load_model(artifact, samples.names, (SIGNER.public_hex,)))


def trained(learner: str = "lightgbm", calibration: str = "platt") -> tuple[Artifact, Dataset]:
    """A model of the first TRAINED of a market, and all of it."""
    samples = layer_a_dataset(TRAINED + LATER, seed=3)
    settings = TrainSettings(learners=(learner,), calibration=calibration)
    start = Retrain("r-1", "synthetic", None, "initial", 0, "test", START_TS)
    candidate = train_candidate(samples.take(np.arange(TRAINED)), start, settings)
    return sealed(candidate.card, candidate.onnx), samples


def shifted(samples: Dataset, artifact: Artifact, shift: float, seed: int = 1) -> Dataset:
    """The same signals, where after TRAINED outcomes come as the model says, but `shift` higher."""
    said = run_rows(artifact.onnx, own_columns(artifact, samples))
    p = sigmoid(np.log(said / (1.0 - said)) + shift)
    y = samples.y.copy()
    y[TRAINED:] = np.random.default_rng(seed).random(LATER) < p[TRAINED:]
    return dataset_of(samples.x, y, names=samples.names)


def own_columns(artifact: Artifact, samples: Dataset):
    columns = [samples.names.index(name) for name in artifact.card.features]
    return np.ascontiguousarray(samples.x[:, columns])


LIGHTGBM, MARKET = trained()
MOVED = shifted(MARKET, LIGHTGBM, -SHIFT)


def test_a_model_whose_level_is_wrong_is_recalibrated_and_let_through():
    candidate = recalibrate(LIGHTGBM, served(LIGHTGBM, MOVED), MOVED, request(), SETTINGS)
    assert (candidate.verdict.promoted, candidate.verdict.reason) == (True, PROMOTED)
    figures = candidate.verdict.figures
    assert figures["shift"] == pytest.approx(-SHIFT, abs=0.25)
    assert figures["alpha"] == SETTINGS.gate.alpha
    assert figures["log_loss_gain_vs_champion"] > 0.0
    # Not exactly 0: where the model is silent, both are taken to say what the null model says.
    assert figures["auc_gain_vs_champion"] == pytest.approx(0.0, abs=5e-3)


def test_its_trees_are_the_same_byte_for_byte():
    candidate = recalibrate(LIGHTGBM, served(LIGHTGBM, MOVED), MOVED, request(), SETTINGS)
    before, after = (onnx.load_from_string(g) for g in (LIGHTGBM.onnx, candidate.onnx))
    nodes = [[n.SerializeToString() for n in model.graph.node] for model in (before, after)]
    assert nodes[0] == nodes[1]
    assert any(node.op_type == "TreeEnsembleRegressor" for node in after.graph.node)
    constants = [
        {c.name: c.SerializeToString() for c in model.graph.initializer}
        for model in (before, after)
    ]
    assert constants[0].keys() == constants[1].keys()
    assert sum(constants[0][name] != value for name, value in constants[1].items()) <= 3


def test_its_card_names_its_parent_and_proves_itself_to_a_scorer():
    champion = served(LIGHTGBM, MOVED)
    candidate = recalibrate(LIGHTGBM, champion, MOVED, request(), SETTINGS, code_version="2")
    card, parent = decode_card(candidate.card), LIGHTGBM.card
    assert card.parent == LIGHTGBM.digest
    assert parent.parent == ""
    assert (card.features, card.input_guard) == (parent.features, parent.input_guard)
    assert card.golden_inputs == parent.golden_inputs
    assert card.golden_outputs != parent.golden_outputs
    assert card.labels_to_ts > parent.labels_to_ts
    assert card.data_digest != parent.data_digest
    assert card.code_version == "2"
    heir = served(sealed(candidate.card, candidate.onnx), MOVED)
    assert heir.frozen_ts > champion.frozen_ts
    probability = heir.probability(MOVED.x)
    silent = np.isnan(champion.probability(MOVED.x))
    assert np.array_equal(np.isnan(probability), silent)


def test_the_ranking_is_kept():
    candidate = recalibrate(LIGHTGBM, served(LIGHTGBM, MOVED), MOVED, request(), SETTINGS)
    rows = own_columns(LIGHTGBM, MOVED)[:300]
    before, after = run_rows(LIGHTGBM.onnx, rows), run_rows(candidate.onnx, rows)
    assert (np.diff(after[np.argsort(before, kind="stable")]) >= 0.0).all()


def test_the_same_samples_give_the_same_bytes():
    first, second = (
        recalibrate(LIGHTGBM, served(LIGHTGBM, MOVED), MOVED, request(), SETTINGS) for _ in range(2)
    )
    assert first == second


def test_a_calibrated_model_is_mostly_left_alone():
    promoted = 0
    for seed in range(12):
        samples = shifted(MARKET, LIGHTGBM, 0.0, seed)
        champion = served(LIGHTGBM, samples)
        candidate = recalibrate(LIGHTGBM, champion, samples, request(), SETTINGS)
        promoted += candidate.verdict.promoted
        assert candidate.card
        refusals = {NOT_BETTER_THAN_CHAMPION, NOT_BETTER_THAN_NULL}
        assert candidate.verdict.promoted == (candidate.verdict.reason not in refusals)
    assert promoted <= 4


def test_the_level_is_spent_over_repeated_attempts():
    champion = served(LIGHTGBM, MOVED)
    candidate = recalibrate(LIGHTGBM, champion, MOVED, request(), SETTINGS, challengers_before=3)
    assert candidate.verdict.figures["alpha"] == pytest.approx(SETTINGS.gate.alpha / 10)
    assert candidate.verdict.figures["challengers_before"] == 3.0


def test_nothing_is_fitted_on_the_window_or_before_the_model_was_frozen():
    since_ts = int(MOVED.ts[TRAINED + 100])
    champion = served(LIGHTGBM, MOVED)
    candidate = recalibrate(LIGHTGBM, champion, MOVED, request(since_ts), SETTINGS)
    disturbed = shifted(MARKET, LIGHTGBM, -SHIFT)
    fitted = (disturbed.ts >= since_ts) & (disturbed.exit_ts < MOVED.ts[-200])
    disturbed.y[~fitted] = 1 - disturbed.y[~fitted]
    other = recalibrate(LIGHTGBM, champion, disturbed, request(since_ts), SETTINGS)
    assert other.onnx == candidate.onnx
    assert decode_card(candidate.card).labels_to_ts < MOVED.ts[-200]


def test_too_few_outcomes_since_the_changepoint_are_said_to_be_too_few():
    for last, reason in ((220, NO_SAMPLES), (190, NO_SAMPLES), (2, NO_SAMPLES)):
        since_ts = int(MOVED.ts[-last])
        candidate = recalibrate(
            LIGHTGBM, served(LIGHTGBM, MOVED), MOVED, request(since_ts), SETTINGS
        )
        assert (candidate.verdict.reason, candidate.card) == (reason, b"")


def test_a_window_of_one_class_decides_nothing():
    samples = shifted(MARKET, LIGHTGBM, -SHIFT)
    samples.y[-300:] = 0
    candidate = recalibrate(LIGHTGBM, served(LIGHTGBM, samples), samples, request(), SETTINGS)
    assert (candidate.verdict.promoted, candidate.verdict.reason) == (False, TOO_FEW_OUTCOMES)


def test_a_ranking_that_is_turned_round_is_nothing_to_recalibrate():
    samples = shifted(MARKET, LIGHTGBM, 0.0)
    said = run_rows(LIGHTGBM.onnx, own_columns(LIGHTGBM, samples))
    samples.y[TRAINED:] = said[TRAINED:] < 0.5
    candidate = recalibrate(LIGHTGBM, served(LIGHTGBM, samples), samples, request(), SETTINGS)
    assert (candidate.verdict.reason, candidate.card) == (NO_MODEL, b"")


@pytest.mark.parametrize("learner", ["logistic", "ensemble", "random_forest"])
def test_every_kind_of_graph_ends_in_a_line_that_can_be_moved(learner: str):
    artifact, _ = trained(learner)
    line = last_line(artifact.onnx)
    assert not line.is_added
    assert line.slope == pytest.approx(artifact.card.calibration["slope"], rel=1e-6)
    assert line.intercept == pytest.approx(artifact.card.calibration["intercept"], abs=1e-5)


@pytest.mark.parametrize("calibration", ["platt", "beta", "isotonic"])
@pytest.mark.parametrize("learner", ["lightgbm", "logistic"])
def test_the_moved_line_agrees_with_float64(learner: str, calibration: str):
    artifact, samples = trained(learner, calibration)
    line = last_line(artifact.onnx)
    assert line.is_added == (calibration != "platt")
    x = own_columns(artifact, samples)[:400]
    said = run_rows(artifact.onnx, x)
    for stretch, shift in ((1.0, 0.0), (0.4, -0.7), (2.5, 1.3)):
        moved = line.moved(stretch, shift)
        wanted = sigmoid(stretch * np.log(said / (1.0 - said)) + shift)
        assert np.abs(run_rows(moved.build(), x) - wanted).max() < 1e-6
        assert np.abs(moved.probability(line.scores(x)) - wanted).max() < 1e-6


@pytest.mark.parametrize("calibration", ["platt", "beta"])
def test_recalibrating_again_makes_no_longer_graph(calibration: str):
    artifact, samples = trained("logistic", calibration)
    first = last_line(artifact.onnx).moved(0.8, 0.1).build()
    second = last_line(first).moved(1.2, -0.3).build()
    counts = [len(onnx.load_from_string(g).graph.node) for g in (artifact.onnx, first, second)]
    assert counts[1] == counts[2]
    assert (counts[0] == counts[1]) == (calibration == "platt")
    x = own_columns(artifact, samples)[:100]
    said = run_rows(artifact.onnx, x)
    wanted = sigmoid(1.2 * (0.8 * np.log(said / (1.0 - said)) + 0.1) - 0.3)
    assert np.abs(run_rows(second, x) - wanted).max() < 1e-6


def test_the_card_says_what_the_calibration_is_made_of():
    for calibration, added in (("platt", set()), ("beta", {"line_slope", "line_intercept"})):
        artifact, samples = trained("logistic", calibration)
        moved = shifted(samples, artifact, -SHIFT)
        once = recalibrate(artifact, served(artifact, moved), moved, request(), SETTINGS)
        figures = decode_card(once.card).calibration
        assert added <= set(figures)
        assert set(figures) - {"line_rows", *added} == set(artifact.card.calibration)
    line = last_line(once.onnx)
    assert figures["line_slope"] == pytest.approx(line.slope, rel=1e-6)


@pytest.mark.parametrize("p", [2.0**-23, 1e-4, 0.5, 0.9999, 1.0 - 2.0**-23, 0.0, 1.0])
def test_a_graph_of_another_house_is_given_a_line_that_is_exact_out_to_the_ends(p: float):
    graph = foreign(p)
    x = np.zeros((1, 2), dtype=np.float32)
    held = float(np.clip(np.float64(np.float32(p)), 2.0**-23, 1.0 - 2.0**-23))
    for stretch, shift in ((1.0, 0.0), (0.3, 0.5), (3.0, -2.0)):
        wanted = sigmoid(np.array([stretch * np.log(held / (1.0 - held)) + shift]))
        found = run_rows(last_line(graph).moved(stretch, shift).build(), x)
        assert np.abs(found - wanted).max() < 1e-6


def test_a_graph_of_many_outputs_cannot_be_recalibrated():
    model = onnx.load_from_string(foreign(0.5))
    model.graph.output.add().CopyFrom(model.graph.output[0])
    model.graph.output[1].name = "other"
    with pytest.raises(ModelError, match="one output 'probability'"):
        last_line(model.SerializeToString())


def test_a_line_that_something_else_reads_too_is_left_as_it_is():
    artifact, _ = trained("logistic")
    model = onnx.load_from_string(artifact.onnx)
    line = last_line(artifact.onnx)
    root = line.constants[0]
    final = next(node for node in model.graph.node if "probability" in node.output)
    final.output[0] = "mine"
    model.graph.node.append(helper.make_node("Add", ["mine", root], ["probability"]))
    assert last_line(model.SerializeToString()).is_added


def foreign(p: float) -> bytes:
    """A graph that says p of every row."""
    model = onnx.load_from_string(LIGHTGBM.onnx)
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 2
    value = onnx.numpy_helper.from_array(np.array([[p]], dtype=np.float32), "p")
    zero = onnx.numpy_helper.from_array(np.zeros((2, 1), dtype=np.float32), "zero")
    model.graph.initializer.extend([value, zero])
    model.graph.node.extend(
        [
            helper.make_node("MatMul", ["features", "zero"], ["nothing"]),
            helper.make_node("Add", ["nothing", "p"], ["probability"]),
        ]
    )
    return bytes(model.SerializeToString())


def test_a_few_outcomes_move_the_level_but_hardly_the_stretch():
    rng = np.random.default_rng(5)
    weights, days = np.ones(150), np.arange(150)
    found, free = [], []
    for _ in range(30):
        log_odds = 0.3 * rng.standard_normal(150)
        y = (rng.random(150) < sigmoid(log_odds - SHIFT)).astype(np.int8)
        found.append(fit_shift(log_odds, y, weights, days))
        free.append(fit_platt(log_odds, y, weights).slope)
    stretches = np.array([fitted.stretch for fitted in found if fitted is not None])
    assert stretches.size == 30
    assert np.abs(stretches - 1.0).mean() < np.abs(np.array(free) - 1.0).mean() / 2.0
    assert np.mean([f.shift for f in found if f]) == pytest.approx(-SHIFT, abs=0.1)


def test_many_outcomes_move_the_stretch_too():
    rng = np.random.default_rng(5)
    log_odds = 0.5 * rng.standard_normal(4_000)
    y = (rng.random(4_000) < sigmoid(0.4 * log_odds - SHIFT)).astype(np.int8)
    fitted = fit_shift(log_odds, y, np.ones(4_000), np.arange(4_000))
    assert fitted is not None
    assert fitted.stretch == pytest.approx(0.4, abs=0.15)
    assert fitted.shift == pytest.approx(-SHIFT, abs=0.1)


def test_outcomes_of_one_day_count_as_one_piece_of_evidence():
    rng = np.random.default_rng(5)
    log_odds = rng.standard_normal(400)
    y = (rng.random(400) < sigmoid(0.2 * log_odds)).astype(np.int8)
    alone = fit_shift(log_odds, y, np.ones(400), np.arange(400))
    crowded = fit_shift(log_odds, y, np.where(np.arange(400) < 4, 1.0, 1e-6), np.arange(400))
    assert alone is not None
    assert crowded is not None
    assert alone.stretch < 0.5 < crowded.stretch


def test_old_cards_without_a_parent_are_still_read():
    fields = msgspec.json.decode(LIGHTGBM.card_bytes)
    del fields["parent"]
    assert decode_card(msgspec.json.encode(fields)).parent == ""
