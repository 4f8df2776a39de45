"""What the gate's other rules let through: spent levels, the plain rule, a line that was moved."""

import numpy as np
import pytest

from tests.trainers.test_gate import SETTINGS, draw
from trainers.alpha_spending import alpha_of
from trainers.calibrators.calibrator import sigmoid
from trainers.gate import (
    NOT_BETTER_THAN_CHAMPION,
    NOT_BETTER_THAN_NULL,
    PROMOTED,
    PROMOTED_AFTER_DRIFT,
    TOO_FEW_OUTCOMES,
    Window,
    judge,
    judge_recalibrated,
)
from trainers.settings import GateSettings

PLAIN = GateSettings(rule="auc_improvement", auc_gain_min=0.01)


def test_all_challengers_together_spend_no_more_than_twice_alpha():
    spent = sum(alpha_of(SETTINGS.alpha, before) for before in range(10_000))
    assert alpha_of(SETTINGS.alpha, 0) == SETTINGS.alpha
    assert 1.99 * SETTINGS.alpha < spent < 2.0 * SETTINGS.alpha


@pytest.mark.parametrize("has_champion", [True, False])
def test_each_challenger_is_held_to_a_smaller_level(has_champion: bool):
    """One that passes as the first does not pass as a later one: its p is between their levels."""
    passed = held = 0
    for seed in range(40):
        rng, truth, window, null = draw(seed, count=500)
        challenger = sigmoid(-0.2 + 0.2 * (truth + 0.2) + 0.3 * rng.standard_normal(truth.size))
        champion = np.full(truth.size, 0.40) if has_champion else None
        verdicts = [
            judge(window, challenger, null, champion, SETTINGS, challengers_before=before)
            for before in (0, 5)
        ]
        against, level = ("champion", "alpha") if has_champion else ("null", "skill_alpha")
        for verdict, before in zip(verdicts, (0, 5), strict=True):
            figures = verdict.figures
            assert figures["alpha"] == alpha_of(SETTINGS.alpha, before)
            spent = 0 if has_champion else before
            assert figures["skill_alpha"] == alpha_of(SETTINGS.skill_alpha, spent)
            assert figures["challengers_before"] == before
            if verdict.promoted:
                assert figures[f"p_value_vs_{against}"] < figures[level]
        passed += verdicts[0].promoted
        held += verdicts[0].promoted and not verdicts[1].promoted
        assert verdicts[0].promoted or not verdicts[1].promoted
    assert passed > held > 0


@pytest.mark.parametrize("is_after_drift", [True, False])
def test_a_champion_that_is_beaten_or_has_failed_leaves_the_whole_level_to_the_null(
    is_after_drift: bool,
):
    """A tenth challenger whose skill is shown at the whole level, and not at a tenth one's."""
    found = 0
    for seed in range(60):
        rng, truth, window, null = draw(seed, count=500, threshold=None)
        weak = sigmoid(-0.2 + 0.15 * (truth + 0.2) + 0.2 * rng.standard_normal(truth.size))
        beside, alone = (
            judge(
                window,
                weak,
                null,
                champion,
                SETTINGS,
                is_after_drift=is_after_drift,
                challengers_before=9,
            )
            for champion in (weak if is_after_drift else sigmoid(-truth), None)
        )
        p = beside.figures["p_value_vs_null"]
        if beside.promoted and p > alpha_of(SETTINGS.skill_alpha, 9):
            assert beside.reason == (PROMOTED_AFTER_DRIFT if is_after_drift else PROMOTED)
            assert (alone.promoted, alone.reason) == (False, NOT_BETTER_THAN_NULL)
            found += 1
    assert found


def test_the_plain_rule_asks_for_the_auc_alone():
    _, truth, window, null = draw(4)
    blurred = sigmoid(truth + np.random.default_rng(1).standard_normal(truth.size))
    better = judge(window, sigmoid(truth), null, blurred, PLAIN)
    assert (better.promoted, better.reason) == (True, PROMOTED)
    worse = judge(window, blurred, null, sigmoid(truth), PLAIN)
    assert (worse.promoted, worse.reason) == (False, NOT_BETTER_THAN_CHAMPION)
    # Right in order and wrong in everything else: a log-loss that loses to the null model.
    shouting = sigmoid(20.0 * truth + 30.0)
    assert judge(window, shouting, null, blurred, PLAIN).promoted
    assert judge(window, shouting, null, blurred, SETTINGS).reason == NOT_BETTER_THAN_NULL


def test_the_plain_rule_counts_the_gain_it_is_told():
    _, truth, window, null = draw(4)
    gained = judge(window, sigmoid(truth), null, null, PLAIN).figures["auc_gain_vs_champion"]
    for limit, promoted in ((gained - 1e-6, True), (gained, False)):
        rule = GateSettings(rule="auc_improvement", auc_gain_min=limit)
        assert judge(window, sigmoid(truth), null, null, rule).promoted == promoted


def test_the_plain_rule_without_a_champion_compares_with_a_coin():
    _, truth, window, null = draw(4)
    assert judge(window, sigmoid(truth), null, None, PLAIN).promoted
    coin = judge(window, null, null, None, PLAIN)
    assert (coin.promoted, coin.reason) == (False, NOT_BETTER_THAN_NULL)


def test_the_plain_rule_has_all_figures_and_its_minimum_too():
    _, truth, window, null = draw(4)
    paired = judge(window, sigmoid(truth), null, null, SETTINGS).figures
    assert judge(window, sigmoid(truth), null, null, PLAIN).figures == paired
    small = Window(window.y[:150], window.r_multiple[:150], window.clusters[:150])
    few = judge(small, sigmoid(truth)[:150], null[:150], None, PLAIN)
    assert few.reason == TOO_FEW_OUTCOMES


def test_a_moved_line_passes_where_the_level_was_wrong():
    _, truth, window, null = draw(4)
    verdict = judge_recalibrated(window, sigmoid(truth), null, sigmoid(truth + 0.8), SETTINGS)
    assert (verdict.promoted, verdict.reason) == (True, PROMOTED)
    back = judge_recalibrated(window, sigmoid(truth + 0.8), null, sigmoid(truth), SETTINGS)
    assert not back.promoted


def test_a_moved_line_that_changes_nothing_is_left():
    _, truth, window, null = draw(4)
    verdict = judge_recalibrated(window, sigmoid(truth), null, sigmoid(truth), SETTINGS)
    assert (verdict.promoted, verdict.reason) == (False, NOT_BETTER_THAN_CHAMPION)


def test_a_moved_line_does_not_owe_the_proof_of_its_ranking_again():
    """A weak ranking: too few outcomes to prove it, and enough to tell that its level is wrong."""
    found = 0
    for seed in range(30):
        rng, truth, window, null = draw(seed, count=250, threshold=None)
        weak = 0.03 * (truth + 0.2) + 0.1 * rng.standard_normal(truth.size) - 0.2
        arguments = (window, sigmoid(weak), null, sigmoid(weak + 0.9), SETTINGS)
        if judge(*arguments).reason == NOT_BETTER_THAN_NULL:
            verdict = judge_recalibrated(*arguments)
            assert verdict.promoted == (verdict.figures["log_loss_gain_vs_null"] > 0.0)
            found += verdict.promoted
    assert found


def test_a_moved_line_loses_to_the_null_model_where_it_says_less():
    _, truth, window, null = draw(4)
    verdict = judge_recalibrated(window, sigmoid(-truth), null, sigmoid(1.0 - truth), SETTINGS)
    assert (verdict.promoted, verdict.reason) == (False, NOT_BETTER_THAN_NULL)


def test_a_moved_line_must_not_cost_money():
    _, truth, window, null = draw(4)
    paying = window._replace(r_multiple=np.where(window.y == 1, 5.0, -0.1))
    arguments = (sigmoid(truth), null, sigmoid(truth + 1.0), SETTINGS)
    assert judge_recalibrated(paying._replace(threshold=None), *arguments).promoted
    assert judge_recalibrated(paying, *arguments).reason == NOT_BETTER_THAN_CHAMPION


def test_a_later_line_has_a_smaller_level_and_few_outcomes_decide_nothing():
    _, truth, window, null = draw(4)
    arguments = (window, sigmoid(truth), null, sigmoid(truth + 0.8), SETTINGS)
    verdict = judge_recalibrated(*arguments, challengers_before=4)
    assert verdict.figures["alpha"] == alpha_of(SETTINGS.alpha, 4)
    strict = GateSettings(outcomes_min=2_000)
    assert judge_recalibrated(*arguments[:-1], strict).reason == TOO_FEW_OUTCOMES
