"""The verdict on a model is one true sentence, and what speaks against it is said with it."""

import msgspec
import pytest

from tests.trainers.reports.model_reports import bare_report, report_of
from trainers import gate
from trainers.evaluation.figure import Figure
from trainers.pipeline.model_report import Verdict
from trainers.reports.model_caveats import caveats
from trainers.reports.model_verdict import (
    FIT,
    KEPT,
    NO_SKILL,
    NOT_MADE,
    REFUSED,
    UNDECIDED,
    gate_settings,
    headline,
    next_step,
    sentence,
)

replace = msgspec.structs.replace

FIGURES = {
    "gate_outcomes": 600.0,
    "gate_auc": 0.53,
    "log_loss_gain_vs_null": 0.0041,
    "p_value_vs_null": 0.03,
    "log_loss_gain_vs_level": 0.0038,
    "auc_gain_vs_null": 0.03,
    "auc_gain_error_vs_null": 0.02,
    "utility_gain_r_vs_null": 0.05,
}


def judged(reason, *, promoted=False, **figures):
    verdict = Verdict(promoted=promoted, reason=reason, figures=FIGURES | figures)
    return replace(report_of(), verdict=verdict)


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (report_of(), FIT),
        (report_of(skill=0.0), NO_SKILL),
        (report_of(samples=200), UNDECIDED),
        (bare_report(), NOT_MADE),
        (judged(gate.NOT_BETTER_THAN_CHAMPION), KEPT),
        (judged("a_reason_of_tomorrow"), REFUSED),
    ],
    ids=["skill", "noise", "few", "bare", "champion", "unknown"],
)
def test_every_verdict_has_its_head_a_sentence_and_a_step(report, words):
    assert headline(report) == words
    assert sentence(report).startswith(f"{words}: ")
    assert sentence(report).endswith(".")
    assert next_step(report)


def test_a_model_that_passed_is_told_by_the_gates_own_figures():
    report = judged(gate.PROMOTED, promoted=True)
    assert sentence(report) == (
        "Fit to be deployed: on 600 held-out signals it ranks the winners higher (AUC 0.530, "
        "p = 0.030), and its probabilities beat the base rate by 0.0041 nats a signal."
    )


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"p_value_vs_null": 0.31}, "not shown to rank the winners higher (AUC 0.530, p = 0.310)"),
        ({"log_loss_gain_vs_null": -0.02}, "no better than the base rate (-0.0200 nats a signal)"),
        ({"log_loss_gain_vs_level": 0.0}, "no better than its own mean probability (0.0000 nats"),
        (
            {"auc_gain_vs_null": -0.03, "gate_auc": 0.47, "p_value_vs_null": 0.9},
            "lower than chance would (AUC 0.470, p = 0.900)",
        ),
        ({"utility_gain_r_vs_null": -0.05}, "taking every signal (-0.050 R a signal)"),
    ],
)
def test_no_skill_is_said_with_the_first_condition_that_failed(figures, words):
    assert words in sentence(judged(gate.NOT_BETTER_THAN_NULL, **figures))


def test_the_level_is_that_of_the_gate_that_judged():
    report = judged(gate.NOT_BETTER_THAN_NULL)
    strict = replace(report, settings={"gate": {"skill_alpha": 0.01}})
    assert gate_settings(strict).skill_alpha == 0.01
    assert "not shown to rank" in sentence(strict)
    assert "earns less" in sentence(report)


def test_a_holdout_that_was_no_longer_sealed_is_said_in_the_verdict():
    report = report_of()
    opened = replace(report, holdout=replace(report.holdout, opened_before=3, opened_for_others=2))
    assert sentence(opened).endswith(
        "The holdout had been opened 2 times before for other models: it was not sealed."
    )
    assert caveats(opened)[0] == (
        "the holdout had been opened 3 times before, 2 of them for other models"
    )
    assert caveats(report) == ()


def test_noise_has_much_that_speaks_against_it():
    told = "\n".join(caveats(report_of(skill=0.0)))
    for words in (
        "the interval of the holdout's AUC holds 0.5",
        "not beyond chance",
        "deflated by 171 trials",
        "the stitched walk-forward has a t of",
        "71 trials found nothing better than the defaults",
    ):
        assert words in told


def test_a_small_sample_is_warned_of_first():
    assert caveats(report_of(samples=200))[0].startswith("140 samples are few")


def with_evaluation(**changes):
    report = report_of()
    evaluation = replace(report.holdout.evaluation, **changes)
    return replace(report, holdout=replace(report.holdout, evaluation=evaluation))


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (
            replace(report_of(), samples=replace(report_of().samples, effective=300.0)),
            "labels overlap: 1,400 samples amount to 300 independent ones at most",
        ),
        (
            with_evaluation(silent=200),
            "the model is silent on 200 of 600 held-out signals, which count as the base rate's",
        ),
        (
            with_evaluation(
                acceptance=replace(report_of().holdout.evaluation.acceptance, accepted=0)
            ),
            "it accepts none of the held-out signals: what that earns says nothing of telling "
            "them apart",
        ),
        (
            with_evaluation(auc=Figure(0.53, 0.01, 0.51, 0.55)),
            "the holdout is worse than out of fold beyond chance: AUC 0.530 (0.510 to 0.550) after "
            "0.620 (0.591 to 0.648)",
        ),
        (
            replace(
                report_of(),
                feature_choice=replace(
                    report_of().feature_choice, stability=Figure(0.12, low=0.02, high=0.22)
                ),
            ),
            "folds choose different features: stability 0.12 (0.02 to 0.22)",
        ),
    ],
    ids=["overlap", "silent", "none_accepted", "decay", "unstable"],
)
def test_one_thing_that_is_wrong_is_the_one_that_is_said(report, words):
    assert caveats(report) == (words,)
