"""The forest: the same answer in ONNX to the last bit, and leaves that fit a noisy stream."""

from collections import Counter

import numpy as np
import pytest

from streams import layer_a
from streams.errors import ModelError
from tests.trainers.edge_rows import margin_graph, rows_on_edges, run_batch
from tests.trainers.samples import layer_a_dataset
from trainers.calibrators.platt import Platt, fit_platt
from trainers.learner import load_learner
from trainers.learners import random_forest
from trainers.learners.random_forest import SHARE_STEP, Forest, leaf_margins, leaf_rows
from trainers.onnx_export import export, native, proof_rows, prove, run_rows

ROWS = 500
DATA = layer_a_dataset(ROWS + 500, seed=21)
TRAIN, TEST = DATA.take(np.arange(ROWS)), DATA.take(np.arange(ROWS, ROWS + 500))
ONES = np.ones(ROWS)
EDGE_ROWS_QUICK, EDGE_ROWS_FULL = 2_000, 100_000


def fit(x=TRAIN.x, y=TRAIN.y, weights=ONES, seed=7, threads=1) -> Forest:
    return random_forest.fit(x, y, weights, seed=seed, threads=threads)


FITTED = fit()


def assert_same_on_edges(fitted: Forest, count: int):
    rows = rows_on_edges(fitted, TRAIN.x.shape[1], count, seed=5)
    assert (run_rows(margin_graph(fitted, rows.shape[1]), rows) == fitted.margin(rows)).all()
    margins = fitted.margin(TEST.x)
    calibration = fit_platt(margins, TEST.y, np.ones(TEST.y.size))
    said = run_rows(export(fitted, calibration, rows.shape[1]), rows)
    assert np.abs(said - native(fitted, calibration, rows)).max() <= 1e-6


def test_onnx_gives_the_same_margin_to_the_last_bit_on_edges_and_beside_them():
    assert_same_on_edges(FITTED, EDGE_ROWS_QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [500, 10_000])
def test_onnx_gives_the_same_margin_on_100_000_rows_on_edges(rows: int):
    data = layer_a_dataset(rows, seed=22)
    assert_same_on_edges(fit(data.x, data.y, np.ones(rows)), EDGE_ROWS_FULL)


def test_a_row_is_answered_alike_alone_and_in_a_batch():
    graph = margin_graph(FITTED, TEST.x.shape[1])
    assert (run_batch(graph, TEST.x) == run_rows(graph, TEST.x)).all()


def test_thresholds_rounded_to_nearest_are_caught_by_the_proof(monkeypatch):
    tail = Platt(20.0, 0.0, ROWS)
    down = random_forest.float32_edges
    monkeypatch.setattr(random_forest, "float32_edges", lambda t: t.astype(np.float32))
    nearest = export(FITTED, tail, TEST.x.shape[1])
    monkeypatch.setattr(random_forest, "float32_edges", down)
    with pytest.raises(ModelError, match="must agree with the learner"):
        prove(nearest, FITTED, tail, TEST.x[:5])


def test_an_edge_is_known_for_every_split():
    splits = sum(int((tree.children_left >= 0).sum()) for tree in FITTED.trees)
    edges = FITTED.edges()
    assert 1_000 < len(edges) <= splits
    assert edges == sorted(set(edges))
    most = max(Counter(column for column, _ in edges).values())
    assert proof_rows(FITTED, TEST.x[:1]).shape[0] == 1 + 3 * (len(edges) + most)


def test_any_number_of_threads_grows_the_same_forest():
    alone = margin_graph(FITTED, TRAIN.x.shape[1])
    for threads in (2, 3):
        assert margin_graph(fit(threads=threads), TRAIN.x.shape[1]) == alone


def test_another_seed_grows_another_forest():
    assert fit(seed=8).edges() != FITTED.edges()


def test_rows_without_weight_teach_nothing():
    weights = np.where(np.arange(ROWS) % 2 == 0, 1.0, 0.0)
    turned = np.where(weights > 0.0, TRAIN.y, 1 - TRAIN.y).astype(np.int8)
    assert (
        fit(y=turned, weights=weights).margin(TEST.x) == fit(weights=weights).margin(TEST.x)
    ).all()


def test_only_the_proportions_of_weights_count():
    assert (fit(weights=ONES / 8).margin(TEST.x) == FITTED.margin(TEST.x)).all()


def test_a_rare_outcome_stays_rare():
    rng = np.random.default_rng(3)
    y = (rng.random(ROWS) < 0.15).astype(np.int8)
    assert fit(y=y).margin(TEST.x).mean() + 0.5 == pytest.approx(y.mean(), abs=0.02)


def test_leaves_hold_enough_rows_and_shares_within_half_a_step():
    for tree in FITTED.trees:
        leaves = tree.children_left < 0
        assert tree.n_node_samples[leaves].min() >= leaf_rows(ROWS)
        shares = tree.value[:, 0, 0] - 0.5
        assert np.abs(leaf_margins(tree) - shares).max() <= SHARE_STEP / 2


def test_a_sample_too_small_to_split_says_its_mean():
    x, y = TRAIN.x[:12], np.array([0, 1] * 6, dtype=np.int8)
    fitted = fit(x, y, np.ones(12))
    assert fitted.edges() == []
    assert (
        run_rows(margin_graph(fitted, x.shape[1]), TEST.x[:3]) == fitted.margin(TEST.x[:3])
    ).all()
    assert np.ptp(fitted.margin(TEST.x)) == 0.0


def share_of_edge(name: str, rows: int, bayes_auc: float, seed: int) -> float:
    """The part of the best model's AUC above one half, without label noise."""
    train = layer_a_dataset(rows, 1_000 + seed, bayes_auc=bayes_auc)
    test = layer_a.draw(np.random.default_rng(5_000 + seed), 10_000, bayes_auc=bayes_auc)
    fitted = load_learner(name).fit(train.x, train.y, np.ones(rows), seed=seed, threads=1)
    margin = fitted.margin(test.features.astype(np.float32))
    best = layer_a.expected_auc(test.score, test.probability)
    return (layer_a.expected_auc(margin, test.probability) - 0.5) / (best - 0.5)


def test_most_of_the_learnable_edge_is_kept_on_a_small_sample():
    shares = [share_of_edge("random_forest", 500, 0.70, seed) for seed in range(3)]
    assert np.mean(shares) > 0.55


@pytest.mark.slow
@pytest.mark.parametrize("bayes_auc", [0.62, 0.70])
@pytest.mark.parametrize("rows", [500, 2_000])
def test_the_share_of_edge_stands_beside_the_other_learners(rows: int, bayes_auc: float):
    mean = {
        name: 100 * np.mean([share_of_edge(name, rows, bayes_auc, seed) for seed in range(20)])
        for name in ("random_forest", "lightgbm", "logistic")
    }
    print(
        f"\nBayes AUC {bayes_auc}, n {rows}: {', '.join(f'{k} {v:.1f} %' for k, v in mean.items())}"
    )
    assert mean["random_forest"] > max(mean["lightgbm"], mean["logistic"]) - 3.0
