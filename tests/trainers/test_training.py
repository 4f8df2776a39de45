"""Training finds skill where there is some, says so where there is none, and repeats itself."""

import os
import subprocess
import sys

import numpy as np
import pytest

from models.card import decode_card
from streams.events import Retrain
from tests.house import ROOT
from tests.trainers.samples import START_TS, dataset_of, layer_a_dataset, noise_dataset
from trainers.dataset import DAY_NS
from trainers.frozen_model import FrozenModel
from trainers.gate import (
    NOT_BETTER_THAN_CHAMPION,
    NOT_BETTER_THAN_NULL,
    PROMOTED_AFTER_DRIFT,
    TOO_FEW_OUTCOMES,
)
from trainers.metrics import auc
from trainers.onnx_export import run_rows
from trainers.settings import GateSettings, TrainSettings
from trainers.training import (
    NO_MODEL,
    NO_SAMPLES,
    NO_SAMPLES_SINCE,
    challengers,
    choose,
    train_candidate,
)
from trainers.window import divide

SETTINGS = TrainSettings()
BOTH = TrainSettings(learners=("logistic", "lightgbm"))


def request(reason: str = "initial", since_ts: int = 0) -> Retrain:
    return Retrain("r-1", "synthetic", None, reason, since_ts, "test", ts=START_TS)


class Fixed:
    """A champion whose probabilities are a function of the served vector."""

    def __init__(self, probability, frozen_ts: int = 0):
        self.version, self.frozen_ts, self.probability = "old", frozen_ts, probability
        self.learned_to_ts = frozen_ts


def oracle(x):
    """A champion of the law before a drift, from the linear factors."""
    logit = -0.2 + 0.78 * (0.55 * x[:, 0] - 0.45 * x[:, 1] + 0.35 * x[:, 2] - 0.25 * x[:, 3])
    return 1.0 / (1.0 + np.exp(-logit.astype(np.float64)))


def reversed_oracle(x):
    """A champion of the law behind a flip, from two of the linear factors."""
    logit = -0.2 - 0.78 * (0.55 * x[:, 0] - 0.45 * x[:, 1])
    return 1.0 / (1.0 + np.exp(-logit.astype(np.float64)))


def test_skill_is_found_and_promoted():
    candidate = train_candidate(layer_a_dataset(1_500, seed=1), request(), SETTINGS, threshold=0.5)
    assert candidate.verdict.promoted, candidate.verdict
    assert candidate.verdict.figures["gate_auc"] > 0.6
    assert candidate.verdict.figures["gate_outcomes"] == 450
    card = decode_card(candidate.card)
    assert card.native_max_difference <= 1e-6
    inputs, outputs = card.golden_rows()
    assert np.array_equal(run_rows(candidate.onnx, inputs), outputs)


def test_training_twice_gives_the_same_bytes():
    first, second = (
        train_candidate(layer_a_dataset(900, seed=2), request(), SETTINGS) for _ in range(2)
    )
    assert first.digest == second.digest != ""
    assert first.onnx == second.onnx


def test_another_seed_gives_another_card():
    samples = layer_a_dataset(900, seed=2)
    other = train_candidate(samples, request(), TrainSettings(seed=8))
    assert other.digest != train_candidate(samples, request(), SETTINGS).digest


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_the_null_model_wins_on_noise(seed: int):
    candidate = train_candidate(noise_dataset(1_200, seed), request(), SETTINGS, threshold=0.5)
    assert (candidate.verdict.promoted, candidate.verdict.reason) == (False, NOT_BETTER_THAN_NULL)


def test_the_null_model_wins_on_noise_whose_base_rate_moves():
    promoted = 0
    for seed in range(6):
        samples = noise_dataset(700, seed)
        rng = np.random.default_rng(seed)
        samples.y[:] = rng.random(700) < np.linspace(0.38, 0.52, 700)
        promoted += train_candidate(samples, request(), SETTINGS, threshold=0.5).verdict.promoted
    assert promoted <= 1


def test_out_of_fold_predictions_of_noise_have_no_skill():
    areas = []
    for seed in range(4):
        samples = noise_dataset(800, seed)
        for challenger in challengers(samples, divide(samples, SETTINGS), SETTINGS):
            rows = np.isfinite(challenger.out_of_fold)
            areas.append(auc(challenger.training.y[rows], challenger.out_of_fold[rows]))
    assert abs(np.mean(areas) - 0.5) < 0.04


def test_overlapping_labels_of_a_random_walk_have_no_skill():
    """Persistent features, labels of horizon 20: shuffled folds would report 0.79 here."""
    rng = np.random.default_rng(4)
    areas = []
    for _ in range(4):
        walk = np.cumsum(rng.standard_normal((620, 11)), axis=0)
        y = (walk[20:, 0] > walk[:-20, 0]).astype(np.int64)
        samples = persistent_dataset(walk[:600, :], y)
        for challenger in challengers(samples, divide(samples, SETTINGS), SETTINGS):
            rows = np.isfinite(challenger.out_of_fold)
            areas.append(auc(challenger.training.y[rows], challenger.out_of_fold[rows]))
    assert 0.40 < np.mean(areas) < 0.56


def persistent_dataset(walk, y):
    return dataset_of(walk, y, per_day=1, hold_days=20)


def test_too_few_samples_are_said_to_be_too_few():
    candidate = train_candidate(layer_a_dataset(240, seed=1), request(), SETTINGS)
    assert candidate.verdict.reason == NO_SAMPLES
    assert candidate.card == b""
    assert train_candidate(layer_a_dataset(0, 1), request(), SETTINGS).verdict.reason == NO_SAMPLES


def test_a_champion_that_is_as_good_stays():
    samples = layer_a_dataset(1_200, seed=5)
    candidate = train_candidate(samples, request(), SETTINGS, champion=champion(oracle))
    assert candidate.verdict.reason == NOT_BETTER_THAN_CHAMPION


def test_after_a_flip_the_samples_since_the_changepoint_replace_the_champion():
    samples = layer_a_dataset(1_900, seed=6, drift="FLIP", drift_at=1_000)
    since_ts = int(samples.ts[1_000])
    candidate = train_candidate(
        samples,
        request("drift:slope", since_ts),
        SETTINGS,
        champion=champion(oracle, frozen_ts=int(samples.ts[600])),
        threshold=0.5,
    )
    assert candidate.verdict.promoted, candidate.verdict
    assert decode_card(candidate.card).training_from_ts >= since_ts


def test_soon_after_a_flip_nothing_is_promoted():
    samples = layer_a_dataset(1_150, seed=6, drift="FLIP", drift_at=1_000)
    candidate = train_candidate(
        samples,
        request("drift:slope", int(samples.ts[1_000])),
        SETTINGS,
        champion=champion(oracle, frozen_ts=int(samples.ts[600])),
    )
    assert candidate.verdict.reason == TOO_FEW_OUTCOMES
    # What was learned before the change is the champion's own mistake: it is not made again.
    assert candidate.card == b""


def test_behind_a_flip_a_challenger_waits_for_samples_since_the_changepoint():
    samples = layer_a_dataset(1_250, seed=6, drift="FLIP", drift_at=1_000)
    candidate = train_candidate(
        samples,
        request("refresh:slope", int(samples.ts[1_000])),
        SETTINGS,
        champion=champion(oracle, frozen_ts=int(samples.ts[600])),
    )
    assert candidate.verdict.reason == NO_SAMPLES_SINCE
    assert candidate.verdict.figures["gate_outcomes"] >= 200
    assert candidate.card == b""


@pytest.mark.parametrize(("learned", "expected"), [(300, True), (500, False)])
def test_a_champion_of_after_the_flip_gives_way_to_one_that_knows_clearly_more(
    learned: int, expected: bool
):
    samples = layer_a_dataset(2_100, seed=6, drift="FLIP", drift_at=1_000)
    since_ts = int(samples.ts[1_000])
    candidate = train_candidate(
        samples,
        request("refresh:slope", since_ts),
        TrainSettings(learners=("logistic",), gate=GateSettings(margin_nats=0.05)),
        champion=champion(reversed_oracle, frozen_ts=int(samples.ts[1_000 + learned])),
    )
    assert candidate.verdict.promoted == expected, candidate.verdict
    reason = PROMOTED_AFTER_DRIFT if expected else NOT_BETTER_THAN_CHAMPION
    assert candidate.verdict.reason == reason


@pytest.mark.parametrize(
    ("learned", "alpha"), [(300, 0.1), (500, 0.1 * 2 / 30), (-400, 0.1 * 2 / 30)]
)
def test_only_one_that_knows_clearly_more_than_a_champion_of_after_the_flip_has_the_whole_level(
    learned: int, alpha: float
):
    samples = layer_a_dataset(2_100, seed=6, drift="FLIP", drift_at=1_000)
    candidate = train_candidate(
        samples,
        request("refresh:slope", int(samples.ts[1_000])),
        TrainSettings(learners=("logistic",)),
        champion=champion(reversed_oracle, frozen_ts=int(samples.ts[1_000 + learned])),
        challengers_before=4,
    )
    assert candidate.verdict.figures["alpha"] == pytest.approx(alpha)


def test_the_window_begins_after_the_champions_own_training():
    samples = layer_a_dataset(1_200, seed=5)
    frozen_ts = int(samples.ts[1_000])
    division = divide(samples, SETTINGS, frozen_ts=frozen_ts)
    assert samples.ts[division.window].min() > frozen_ts


def test_no_training_label_reaches_into_the_window():
    samples = layer_a_dataset(1_200, seed=5)
    division = divide(samples, TrainSettings(embargo_days=3))
    opens_ts = samples.ts[division.window].min()
    assert (samples.exit_ts[division.training] < opens_ts - 3 * DAY_NS).all()


def test_choosing_prefers_the_learner_that_predicts_better_out_of_fold():
    samples = layer_a_dataset(900, seed=5)
    division = divide(samples, SETTINGS)
    fitted = challengers(samples, division, SETTINGS)
    chosen = choose(fitted)
    assert {c.learner for c in fitted} == {"lightgbm", "logistic"}
    losses = {}
    for challenger in fitted:
        p, y = challenger.out_of_fold, challenger.training.y
        rows = np.isfinite(p)
        losses[challenger.learner] = -np.log(np.where(y == 1, p, 1 - p)[rows]).mean()
    assert chosen is not None
    assert chosen.learner == min(losses, key=losses.__getitem__)


def test_columns_that_carry_nothing_are_not_asked_of_the_scorer():
    samples = layer_a_dataset(900, seed=5)
    samples.x[:, 3] = np.nan
    samples.x[:, 4] = 1.0
    card = decode_card(train_candidate(samples, request(), SETTINGS).card)
    assert not {"x03", "x04"} & set(card.features)
    assert card.features[:4] == ("x00", "x01", "x02", "x05")


def test_a_challenger_is_judged_as_it_would_be_served():
    """Silent where the scorer would get no probability: row incomplete, or unlike training."""
    samples = layer_a_dataset(900, seed=5)
    (challenger,) = challengers(
        samples, divide(samples, SETTINGS), TrainSettings(learners=("logistic",))
    )
    x = samples.x[:40].copy()
    x[3, 0] = np.nan
    x[5] = 50.0
    silent = np.flatnonzero(np.isnan(challenger.probability(x))).tolist()
    assert {3, 5} <= set(silent)
    assert len(silent) < 10


def test_a_card_says_when_the_last_label_was_closed():
    samples = layer_a_dataset(900, seed=5)
    card = decode_card(train_candidate(samples, request(), SETTINGS).card)
    (last,) = np.flatnonzero(samples.ts == card.training_to_ts)[-1:]
    assert card.labels_to_ts == samples.exit_ts[last] == card.training_to_ts + DAY_NS


@pytest.mark.parametrize("count", [0, 1, 2, 60])
def test_a_handful_of_samples_is_no_accident(count: int):
    few = layer_a_dataset(400, seed=1).take(np.arange(count))
    assert train_candidate(few, request(), SETTINGS).verdict.reason == NO_SAMPLES


def test_samples_of_one_class_or_without_values_are_no_accident():
    same = layer_a_dataset(400, seed=1)
    same.y[:] = 1
    assert train_candidate(same, request(), SETTINGS).verdict.reason == NO_MODEL
    blank = layer_a_dataset(400, seed=1)
    blank.x[:] = np.nan
    assert train_candidate(blank, request(), SETTINGS).verdict.reason == NO_MODEL


def test_huge_and_tiny_values_make_no_accident():
    samples = layer_a_dataset(900, seed=5)
    samples.x[::97, 6] = np.finfo(np.float32).max
    samples.x[1::97, 6] = -np.finfo(np.float32).max
    samples.x[:, 7] = np.float32(1e-44) * (np.arange(900) % 7)
    for learner in ("logistic", "lightgbm"):
        candidate = train_candidate(samples, request(), TrainSettings(learners=(learner,)))
        assert candidate.verdict.reason in {"better", NOT_BETTER_THAN_NULL}
        assert candidate.card


def test_another_process_makes_the_same_bytes():
    program = (
        "from tests.trainers.test_training import *\n"
        "sys.stdout.write(train_candidate(layer_a_dataset(600, seed=2), request(), BOTH).digest)\n"
    )
    other = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONHASHSEED": "1"},
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    here = train_candidate(layer_a_dataset(600, seed=2), request(), BOTH)
    assert other.stdout == here.digest != ""


def champion(probability, frozen_ts: int = 0) -> FrozenModel:
    return Fixed(probability, frozen_ts)
