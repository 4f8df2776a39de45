"""The evaluation agrees with independent references, and has a word for what is not defined."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from streams.errors import ConfigError, DataError
from tests.trainers.evaluation.told import NULL, told_outcomes, with_r
from trainers.evaluation.evaluation import Evaluation, evaluate


def floats_of(value):
    """Every float anywhere in a decoded document."""
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from floats_of(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from floats_of(part)


def sound(found: Evaluation) -> Evaluation:
    """The same, read back from JSON, once nothing in it is NaN or infinite."""
    assert np.isfinite(list(floats_of(msgspec.to_builtins(found)))).all()
    return msgspec.json.decode(msgspec.json.encode(found), type=Evaluation)


def test_figures_are_those_of_scikit_learn():
    outcomes, p = told_outcomes(1)
    found = evaluate(outcomes, p, null_probability=NULL, threshold=0.5)
    null = np.full(600, NULL)
    assert found.auc.value == pytest.approx(roc_auc_score(outcomes.y, p))
    assert found.log_loss == pytest.approx(log_loss(outcomes.y, p))
    assert found.log_loss_null == pytest.approx(log_loss(outcomes.y, null))
    assert found.log_loss_gain.value == pytest.approx(found.log_loss_null - found.log_loss)
    assert found.brier.score == pytest.approx(brier_score_loss(outcomes.y, p))
    assert found.brier.null == pytest.approx(brier_score_loss(outcomes.y, null))
    assert (found.samples, found.days, found.positives) == (600, 60, int(outcomes.y.sum()))
    assert found.base_rate.value == pytest.approx(outcomes.y.mean())
    assert sound(found) == found


def test_brier_score_is_the_sum_of_its_parts():
    outcomes, p = told_outcomes(2)
    own = evaluate(outcomes, p, null_probability=NULL).brier
    parts = own.reliability - own.resolution + own.uncertainty + own.within_bins
    assert own.score == pytest.approx(parts)
    stepped = evaluate(outcomes, np.round(p, 1), null_probability=NULL).brier
    assert stepped.within_bins == pytest.approx(0.0, abs=0.002)
    level = evaluate(outcomes, np.full(600, outcomes.y.mean()), null_probability=NULL).brier
    assert (level.reliability, level.resolution) == pytest.approx((0.0, 0.0), abs=1e-12)
    assert level.score == pytest.approx(level.uncertainty)


def test_null_may_be_one_number_for_every_outcome():
    outcomes, p = told_outcomes(3)
    one = evaluate(outcomes, p, null_probability=NULL)
    each = evaluate(outcomes, p, null_probability=np.full(600, NULL))
    assert one == each


def test_where_the_model_is_silent_the_null_speaks():
    outcomes, p = told_outcomes(4)
    null = np.linspace(0.4, 0.5, 600)
    silent = np.arange(600) % 3 == 0
    found = evaluate(outcomes, np.where(silent, np.nan, p), null_probability=null, threshold=0.48)
    spoken = evaluate(outcomes, np.where(silent, null, p), null_probability=null, threshold=0.48)
    assert found.silent == 200
    assert msgspec.structs.replace(found, silent=0) == spoken


def test_periods_are_years_unless_they_are_named():
    outcomes, p = told_outcomes(5, 4_000)
    found = evaluate(outcomes, p, null_probability=NULL, threshold=0.5)
    assert [one.period for one in found.periods] == ["2020", "2021"]
    first = outcomes.days < outcomes.days[0] + 366
    assert found.periods[0].auc.value == pytest.approx(roc_auc_score(outcomes.y[first], p[first]))
    folds = np.where(np.arange(4_000) < 1_000, "late name, first fold", "a second")
    named = evaluate(outcomes, p, null_probability=NULL, periods=folds).periods
    assert [(one.period, one.samples) for one in named] == [
        ("late name, first fold", 1_000),
        ("a second", 3_000),
    ]
    assert named[0].utility_gain_r.reason == "there is no threshold: every signal is accepted"


def test_no_outcomes_have_no_figures():
    outcomes, p = told_outcomes(6, 0)
    found = sound(evaluate(outcomes, p, null_probability=NULL, threshold=0.5))
    assert (found.samples, found.days, found.from_ts, found.equity) == (0, 0, None, None)
    assert found.log_loss is found.brier.score is found.reliability.ece is None
    assert found.auc.reason == found.log_loss_gain.reason == "there are no outcomes"
    assert (found.reliability.bins, found.curve.threshold, found.periods) == ((), (), ())


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_row_or_two_have_no_errors_that_mean_anything(count: int):
    outcomes, p = told_outcomes(7, count)
    found = sound(evaluate(outcomes, p, null_probability=NULL, threshold=0.5))
    assert found.samples == count
    assert found.log_loss_gain.error is None
    assert "one day" in found.log_loss_gain.reason


def test_one_class_one_day_and_a_constant_each_say_what_is_missing():
    outcomes, p = told_outcomes(8)
    ones = replace(outcomes, y=np.ones(600, dtype=np.int8))
    found = sound(evaluate(ones, p, null_probability=NULL, threshold=0.5))
    assert "all of class 1" in found.auc.reason
    assert "all of class 1" in found.reliability.slope.reason
    assert found.log_loss_gain.value is not None
    zeros = replace(outcomes, y=np.zeros(600, dtype=np.int8))
    found = sound(evaluate(zeros, p, null_probability=NULL, threshold=0.5))
    assert found.acceptance.recall.reason == "no label is 1"
    one_day = replace(outcomes, ts=np.full(600, outcomes.ts[0]))
    found = sound(evaluate(one_day, p, null_probability=NULL, threshold=0.5))
    assert "one day" in found.auc.reason
    assert found.auc.error is found.reliability.slope.error is None
    assert found.curve.utility_gain_error[0] is None
    found = sound(evaluate(outcomes, np.full(600, 0.4), null_probability=NULL, threshold=0.5))
    assert (found.auc.value, found.auc.error) == (0.5, 0.0)
    assert found.reliability.slope.reason == "the probability does not vary"
    assert found.acceptance.precision.reason == "no signal has a probability of 0.5 or more"
    assert found.equity.share_of_random_below is None


def test_certain_probabilities_and_huge_r_stay_numbers():
    outcomes, p = told_outcomes(9)
    certain = np.where(p > 0.5, 1.0, 0.0)
    found = sound(evaluate(outcomes, certain, null_probability=NULL, threshold=0.5))
    assert found.log_loss > found.log_loss_null
    right = sound(evaluate(outcomes, outcomes.y.astype(float), null_probability=NULL))
    assert (right.auc.value, right.auc.error) == (1.0, None)
    assert right.log_loss == pytest.approx(0.0, abs=1e-5)
    huge = with_r(outcomes, outcomes.r_multiple * 1e200)
    found = sound(evaluate(huge, p, null_probability=NULL, threshold=0.5))
    assert found.acceptance.mean_r_gain.error > 1e190


def test_the_same_seed_gives_the_same_bytes():
    outcomes, p = told_outcomes(10)
    first, second, other = (
        msgspec.json.encode(evaluate(outcomes, p, null_probability=NULL, threshold=0.5, seed=seed))
        for seed in (1, 1, 2)
    )
    assert first == second != other


@pytest.mark.parametrize(
    ("change", "told", "message"),
    [
        (
            {},
            {"probability": np.full(600, 1.5)},
            r"probability must be in \[0, 1\], was 1.5 in row",
        ),
        ({}, {"probability": np.full(600, np.inf)}, "was inf in row 0"),
        ({}, {"probability": np.full(3, 0.5)}, "one number for each of 600 outcomes"),
        ({}, {"null_probability": np.nan}, r"null_probability must be in \[0, 1\], was nan"),
        ({"y": np.full(600, 2, dtype=np.int8)}, {}, "labels must be 0 or 1, was 2 for signal s-0"),
        ({"r_multiple": np.full(600, np.nan)}, {}, "r_multiple must be finite, was nan for signal"),
    ],
)
def test_what_is_no_figure_is_refused(change, told, message: str):
    outcomes, p = told_outcomes(11)
    given = {"probability": p, "null_probability": NULL} | told
    with pytest.raises(DataError, match=message):
        evaluate(replace(outcomes, **change), **given)


def test_threshold_is_a_probability():
    outcomes, p = told_outcomes(12)
    with pytest.raises(ConfigError, match=r"threshold must be in \[0, 1\], was 1.2"):
        evaluate(outcomes, p, null_probability=NULL, threshold=1.2)


def test_too_many_periods_are_refused():
    outcomes, p = told_outcomes(13, 500)
    with pytest.raises(DataError, match="periods must be at most 400, were 500"):
        evaluate(outcomes, p, null_probability=NULL, periods=outcomes.signal_ids)
