"""Which samples challengers are fitted on after a changepoint, and which of them is chosen."""

from dataclasses import replace

import numpy as np
import pytest

from models.card import decode_card
from streams.events import Retrain
from tests.trainers.samples import START_TS, dataset_of, layer_a_dataset
from trainers.challenger import Challenger, fit_challenger, out_of_fold_margins
from trainers.sample_weights import WeightSettings, weights_of
from trainers.settings import TrainSettings
from trainers.training import challengers, choose, is_after_drift, train_candidate
from trainers.window import divide

LINE = TrainSettings(learners=("logistic",), half_life_days=30.0)


def request(reason: str, since_ts: int = 0) -> Retrain:
    return Retrain("r-1", "synthetic", None, reason, since_ts, "test", ts=START_TS)


def fitted(count: int, changepoint: int, settings: TrainSettings = LINE) -> list[Challenger]:
    samples = layer_a_dataset(count, seed=6, drift="FLIP", drift_at=changepoint)
    since_ts = int(samples.ts[changepoint])
    division = divide(samples, settings, since_ts=since_ts, is_after_drift=True)
    return challengers(samples, division, settings)


def test_after_a_changepoint_all_samples_decayed_ones_and_recent_ones_are_tried():
    whole, decayed, recent = fitted(1_900, 1_000)
    assert len(whole.training) == len(decayed.training) > len(recent.training)
    plain = weights_of(whole.training)
    assert np.array_equal(whole.weights, plain)
    aged = weights_of(whole.training, WeightSettings(half_life_days=30.0))
    assert np.array_equal(decayed.weights, aged)
    assert decayed.weights[-1] > 10.0 * decayed.weights[0]
    assert recent.training.ts[0] == recent.training.ts.min() > whole.training.ts[0]


def test_each_learner_is_tried_on_each_of_them():
    settings = TrainSettings(learners=("logistic", "lightgbm"), half_life_days=30.0)
    tried = fitted(900, 400, settings)
    assert [c.learner for c in tried] == ["logistic", "lightgbm"] * 3


@pytest.mark.parametrize("half_life_days", [0.0, 10_000.0])
def test_weights_that_hardly_decay_make_no_challenger(half_life_days: float):
    settings = TrainSettings(learners=("logistic",), half_life_days=half_life_days)
    assert len(fitted(1_900, 1_000, settings)) == 2


def test_without_a_changepoint_there_is_one_sample():
    samples = layer_a_dataset(900, seed=6)
    assert len(challengers(samples, divide(samples, LINE), LINE)) == 1


def test_after_a_flip_the_recent_samples_are_chosen_by_what_came_since():
    tried = fitted(1_900, 1_000)
    since_ts = int(tried[2].training.ts[0])
    assert choose(tried, since_ts=since_ts) is tried[2]


def test_after_a_false_alarm_all_samples_are_chosen():
    samples = layer_a_dataset(1_900, seed=6)
    since_ts = int(samples.ts[1_300])
    settings = TrainSettings(learners=("logistic",), half_life_days=0.0)
    division = divide(samples, settings, since_ts=since_ts, is_after_drift=True)
    whole, recent = challengers(samples, division, settings)
    assert choose([recent, whole], since_ts=since_ts) is whole


def test_too_few_recent_samples_to_train_still_choose():
    """90 since the flip: none is fitted on them, but decay is told from its absence by them."""
    tried = fitted(1_290, 1_000)
    assert len(tried) == 2
    since_ts = int(tried[0].training.ts[1_000])
    truth = tried[0].training.ts >= since_ts
    whole, decayed = (mean_loss(c, truth) for c in tried)
    assert choose(tried, since_ts=since_ts) is tried[int(decayed < whole)]
    before = [mean_loss(c, ~truth) for c in tried]
    assert choose(tried) is tried[0]
    assert before[0] < before[1]


def mean_loss(challenger: Challenger, rows) -> float:
    rows = rows & np.isfinite(challenger.out_of_fold)
    p, y = challenger.out_of_fold[rows], challenger.training.y[rows]
    losses = -np.log(np.where(y == 1, p, 1.0 - p))
    return float(np.average(losses, weights=weights_of(challenger.training.take(rows))))


def test_a_sample_weighs_the_same_whoever_is_compared():
    """Own weights would let decayed challengers be judged on other samples than the rest."""
    whole, decayed, _ = fitted(1_900, 1_000)
    twin = replace(whole, weights=decayed.weights)
    assert choose([whole, twin]) is whole
    assert choose([twin, whole]) is twin


def test_challengers_that_share_no_predictions_are_compared_by_what_they_gained():
    samples = layer_a_dataset(800, seed=6)
    rows = np.arange(800)
    skilled = fit_challenger(samples.take(rows < 400), "logistic", LINE)
    blind = samples.take(rows >= 400)
    blind.y[:] = np.random.default_rng(1).random(400) < 0.2
    unskilled = fit_challenger(blind, "logistic", LINE)
    assert skilled is not None
    assert unskilled is not None
    assert choose([unskilled, skilled]) is skilled
    assert choose([]) is None


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("drift:slope", True),
        ("refresh:slope", True),
        ("calibration:intercept", False),
        ("schedule", False),
        ("initial", False),
    ],
)
def test_a_refresh_is_after_a_drift_too(reason: str, told: bool):
    assert is_after_drift(request(reason)) == told


def test_the_candidate_carries_its_level():
    samples = layer_a_dataset(900, seed=6)
    settings = TrainSettings(learners=("logistic",))
    candidate = train_candidate(samples, request("schedule"), settings, challengers_before=2)
    figures = decode_card(candidate.card).validation
    assert figures["challengers_before"] == 2.0
    assert figures["alpha"] == pytest.approx(settings.gate.alpha / 6.0)


def test_no_fold_learns_from_a_label_that_touches_it():
    """Labels of 20 days: whatever became of a fold's samples, or near it, it is predicted alike."""
    rng = np.random.default_rng(2)
    samples = dataset_of(
        rng.standard_normal((400, 3)), rng.integers(0, 2, 400), per_day=1, hold_days=20
    )
    weights = np.ones(400)
    fold = slice(160, 240)

    def predicted(first: int, end: int):
        y = samples.y.copy()
        y[first:end] = 1 - y[first:end]
        return out_of_fold_margins(replace(samples, y=y), weights, "logistic", LINE)[fold]

    alone = predicted(0, 0)
    assert np.isfinite(alone).all()
    assert np.array_equal(predicted(140, 260), alone)
    assert not np.array_equal(predicted(100, 140), alone)
    assert not np.array_equal(predicted(260, 300), alone)
