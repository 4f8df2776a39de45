"""The gate promotes what is better, keeps what is equal or worse, and says which."""

import numpy as np
import pytest

from trainers.calibrators.calibrator import sigmoid
from trainers.gate import (
    NOT_BETTER_THAN_CHAMPION,
    NOT_BETTER_THAN_NULL,
    PROMOTED,
    PROMOTED_AFTER_DRIFT,
    TOO_FEW_OUTCOMES,
    Window,
    judge,
)
from trainers.settings import GateSettings

SETTINGS = GateSettings()
ROUNDS = 60


def draw(seed: int, count: int = 1_000, threshold: float | None = 0.5):
    rng = np.random.default_rng(seed)
    truth = -0.2 + 0.8 * rng.standard_normal(count)
    y = (rng.random(count) < sigmoid(truth)).astype(np.int8)
    window = Window(y, np.where(y == 1, 0.98, -1.02), np.arange(count) // 10, threshold)
    null = np.full(count, 0.46)
    return rng, truth, window, null


def promotions(champion_noise: float, challenger_noise: float, **options) -> float:
    """How often a model that sees the truth through noise replaces another that does."""
    promoted = 0
    for seed in range(ROUNDS):
        rng, truth, window, null = draw(seed)
        champion = seen_through(rng, truth, champion_noise)
        challenger = seen_through(rng, truth, challenger_noise)
        promoted += judge(window, challenger, null, champion, SETTINGS, **options).promoted
    return promoted / ROUNDS


def seen_through(rng: np.random.Generator, truth, noise: float):
    """The calibrated probability, given the log-odds plus noise."""
    share = 0.64 / (0.64 + noise**2)
    return sigmoid(-0.2 + share * (truth + 0.2 + noise * rng.standard_normal(truth.size)))


def test_a_better_challenger_is_mostly_promoted():
    assert promotions(champion_noise=1.5, challenger_noise=0.3) > 0.8


def test_an_equal_challenger_is_promoted_no_more_often_than_alpha_says():
    assert promotions(champion_noise=0.7, challenger_noise=0.7) < 0.2


def test_a_worse_challenger_is_not_promoted():
    assert promotions(champion_noise=0.3, challenger_noise=1.5) <= 0.02


def test_noise_does_not_beat_the_null_model():
    promoted = 0
    for seed in range(ROUNDS):
        rng, truth, window, null = draw(seed)
        challenger = sigmoid(-0.2 + 0.2 * rng.standard_normal(truth.size))
        verdict = judge(window, challenger, null, None, SETTINGS)
        promoted += verdict.promoted
    assert promoted / ROUNDS < 0.05


def test_skill_beats_the_null_model_without_a_champion():
    _, truth, window, null = draw(1)
    verdict = judge(window, sigmoid(truth), null, None, SETTINGS)
    assert verdict.promoted
    assert verdict.reason == PROMOTED
    assert verdict.figures["p_value_vs_null"] < 0.01
    assert "p_value_vs_champion" not in verdict.figures


def test_the_null_model_is_named_when_it_wins():
    _, _, window, null = draw(1)
    verdict = judge(window, null, null, None, SETTINGS)
    assert (verdict.promoted, verdict.reason) == (False, NOT_BETTER_THAN_NULL)


@pytest.mark.parametrize("rows", [0, 199])
def test_too_few_outcomes_decide_nothing(rows: int):
    _, truth, window, null = draw(1)
    small = Window(window.y[:rows], window.r_multiple[:rows], window.clusters[:rows], 0.5)
    verdict = judge(small, sigmoid(truth)[:rows], null[:rows], None, SETTINGS)
    assert (verdict.promoted, verdict.reason) == (False, TOO_FEW_OUTCOMES)


def test_too_few_of_one_class_decide_nothing():
    _, truth, window, null = draw(1)
    y = np.zeros_like(window.y)
    y[:49] = 1
    verdict = judge(window._replace(y=y), sigmoid(truth), null, None, SETTINGS)
    assert verdict.reason == TOO_FEW_OUTCOMES


def test_an_equal_challenger_is_enough_only_after_a_confirmed_drift():
    _, truth, window, null = draw(4)
    equal = sigmoid(truth)
    kept = judge(window, equal, null, equal, SETTINGS)
    assert (kept.promoted, kept.reason) == (False, NOT_BETTER_THAN_CHAMPION)
    promoted = judge(window, equal, null, equal, SETTINGS, is_after_drift=True)
    assert (promoted.promoted, promoted.reason) == (True, PROMOTED_AFTER_DRIFT)


def test_after_a_drift_the_null_model_must_still_be_beaten():
    _, truth, window, null = draw(4)
    verdict = judge(window, null, null, sigmoid(-truth), SETTINGS, is_after_drift=True)
    assert (verdict.promoted, verdict.reason) == (False, NOT_BETTER_THAN_NULL)


def test_who_only_says_the_same_ranking_better_is_left_to_recalibration():
    _, truth, window, null = draw(4)
    verdict = judge(window, sigmoid(truth), null, sigmoid(2.0 * truth + 0.8), SETTINGS)
    assert verdict.figures["p_value_vs_champion"] < 0.01
    assert verdict.figures["auc_gain_vs_champion"] == 0.0
    assert (verdict.promoted, verdict.reason) == (False, NOT_BETTER_THAN_CHAMPION)


def test_a_model_that_loses_money_by_its_threshold_is_not_promoted():
    _, truth, window, null = draw(4)
    # Winners are large, losers small: refusing what is below one half costs money.
    paying = window._replace(r_multiple=np.where(window.y == 1, 5.0, -0.1))
    assert not judge(paying, sigmoid(truth), null, None, SETTINGS).promoted
    everything = paying._replace(threshold=None)
    assert judge(everything, sigmoid(truth), null, None, SETTINGS).promoted


def test_outcomes_of_one_day_are_not_counted_as_many():
    _, truth, window, null = draw(4)
    crowded = window._replace(clusters=np.zeros_like(window.clusters))
    assert not judge(crowded, sigmoid(truth), null, None, SETTINGS).promoted


def test_every_figure_is_a_plain_number():
    _, truth, window, null = draw(4)
    figures = judge(window, sigmoid(truth), null, null, SETTINGS).figures
    assert all(type(value) is float for value in figures.values())


def test_whoever_only_knows_that_the_base_rate_has_moved_is_no_better_than_the_null():
    promoted = 0
    for seed in range(ROUNDS):
        rng, truth, window, null = draw(seed)
        stale = null - 0.15
        knows_the_level = sigmoid(-0.2 + 0.02 * rng.standard_normal(truth.size))
        verdict = judge(window, knows_the_level, stale, None, SETTINGS)
        assert verdict.figures["log_loss_gain_vs_null"] > 0.01
        promoted += verdict.promoted
    assert promoted / ROUNDS < 0.1


def test_probabilities_that_lose_to_their_own_mean_are_no_skill_however_they_rank():
    _, truth, window, null = draw(4, threshold=None)
    shouting = judge(window, sigmoid(8.0 * truth), null - 0.45, None, SETTINGS)
    assert shouting.figures["p_value_vs_null"] < 0.001
    assert (
        shouting.figures["log_loss_gain_vs_null"] > 0.0 > shouting.figures["log_loss_gain_vs_level"]
    )
    assert (shouting.promoted, shouting.reason) == (False, NOT_BETTER_THAN_NULL)


def test_a_weak_ranking_is_shown_on_outcomes_on_which_log_loss_shows_nothing():
    """Log-odds that vary by .5 on 300 outcomes: the ranking has z = 4, log-loss half of that."""
    promoted = by_log_loss = 0
    for seed in range(ROUNDS):
        _, truth, window, null = draw(seed, count=300, threshold=None)
        weak = np.where(np.arange(300) % 3 == 0, truth, -0.2)
        verdict = judge(window, sigmoid(weak), null, None, SETTINGS)
        promoted += verdict.promoted
        gain, error = (verdict.figures[f"log_loss_gain{end}_vs_null"] for end in ("", "_error"))
        by_log_loss += gain > 1.65 * error
    assert promoted / ROUNDS > 0.7 > by_log_loss / ROUNDS


@pytest.mark.parametrize("rounding", [0.0, 1e-16, -1e-16])
def test_a_flat_challenger_is_never_better_than_the_null(rounding: float):
    for seed in range(10):
        _, truth, window, null = draw(seed, threshold=None)
        for level in (0.40, 0.46, 0.52):
            flat = np.full(truth.size, level)
            flat[::2] += rounding
            assert judge(window, flat, null, None, SETTINGS).reason == NOT_BETTER_THAN_NULL
