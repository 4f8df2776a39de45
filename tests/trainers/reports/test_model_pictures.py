"""The pictures of a model are of its report's figures, and none hides another."""

import msgspec
import numpy as np
import pytest

from tests.trainers.reports.model_reports import report_of
from trainers.evaluation.cpcv_paths import PathDistribution
from trainers.evaluation.figure import Figure
from trainers.evaluation.importance import PermutedFeatures
from trainers.reports import model_pictures
from trainers.reports.model_pictures import HOLDOUT, OUT_OF_FOLD

replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def report():
    return report_of()


@pytest.fixture(scope="module")
def evaluations(report):
    return (OUT_OF_FOLD, report.out_of_fold), (HOLDOUT, report.holdout.evaluation)


def trace(picture, name):
    return next(one for one in picture.data if one.name == name)


def test_walk_forward_shows_each_fold_and_then_the_holdout(report):
    sealed = report.holdout.evaluation
    picture = model_pictures.walk_forward_picture(report.walk_forward, sealed)
    folds, held = trace(picture, OUT_OF_FOLD), trace(picture, HOLDOUT)
    told = [one.tested.auc for one in report.walk_forward.folds]
    assert list(folds.y) == [one.value for one in told]
    assert folds.error_y.array == pytest.approx([one.high - one.value for one in told])
    assert folds.error_y.arrayminus == pytest.approx([one.value - one.low for one in told])
    assert list(held.y) == [sealed.auc.value]
    gains = [one for one in picture.data if one.name == HOLDOUT][1]
    assert gains.y[0] == pytest.approx(1000.0 * sealed.log_loss_gain.value)


def test_a_fold_without_a_figure_leaves_a_gap(report):
    first, *others = report.walk_forward.folds
    dumb = replace(first, tested=replace(first.tested, auc=Figure(None, reason="one class")))
    walk = replace(report.walk_forward, folds=(dumb, *others))
    picture = model_pictures.walk_forward_picture(walk, None)
    folds = trace(picture, OUT_OF_FOLD)
    assert folds.y[0] is None
    assert folds.error_y.array[0] == 0.0
    assert HOLDOUT not in [one.name for one in picture.data]


def test_paths_are_all_there_beside_what_knows_nothing(report):
    found = report.combinatorial
    picture = model_pictures.paths_picture(found)
    area, gain = picture.data
    assert list(area.x) == list(found.figures.auc.values)
    assert gain.x == pytest.approx([1000.0 * v for v in found.figures.log_loss_gain.values])
    assert [shape.x0 for shape in picture.layout.shapes] == [0.5, 0.0]


def test_a_null_of_paths_is_where_it_is_told(report):
    found = report.combinatorial
    shifted = PathDistribution(0.52, (0.5, 0.6), 0.55, 0.52, 0.58, 0.5)
    changed = replace(found, figures=replace(found.figures, auc=shifted))
    assert model_pictures.paths_picture(changed).layout.shapes[0].x0 == 0.52


def test_reliability_is_of_both_evaluations_with_bars_of_their_share(report, evaluations):
    picture = model_pictures.reliability_picture(evaluations)
    for name, found in evaluations:
        bins = found.reliability.bins
        curve, bars = (one for one in picture.data if one.name == name)
        assert list(curve.x) == [one.foretold for one in bins]
        assert list(curve.y) == [one.came_true.value for one in bins]
        areas = np.array(bars.y) * np.array(bars.width)
        assert areas == pytest.approx([one.samples / found.samples for one in bins])
    diagonal = trace(picture, "perfect")
    assert list(diagonal.x) == list(diagonal.y)


def test_the_threshold_chosen_and_the_break_even_are_marked(report, evaluations):
    picture = model_pictures.threshold_picture(evaluations, report.threshold)
    assert set(trace(picture, "chosen 0.500").x) == {0.5}
    assert set(trace(picture, "break-even 0.470").x) == {0.47}
    for name, found in evaluations:
        earned, accepted = (one for one in picture.data if one.name == name)
        assert list(earned.y) == list(found.curve.utility_gain_r)
        assert list(accepted.y) == list(found.curve.share)
    unmarked = model_pictures.threshold_picture(evaluations, None)
    assert {one.name for one in unmarked.data} == {None, OUT_OF_FOLD, HOLDOUT}


def test_importance_is_largest_first_and_says_what_stands_for_more(report):
    picture = model_pictures.permutation_picture(report.importance)
    (bars,) = picture.data
    assert list(picture.layout.yaxis.ticktext[:3]) == [
        "atr_14 +1",
        "rsi_2 +1",
        "breadth_above_sma_200",
    ]
    assert picture.layout.yaxis.autorange == "reversed"
    assert bars.x == pytest.approx([1000.0 * one.lost for one in report.importance.permuted])


def test_two_features_of_one_shown_name_have_a_bar_each(report):
    long = "feature_with_a_name_that_is_far_too_long_to_show_"
    same = tuple(PermutedFeatures((f"{long}{n}",), 0.01, 0.001, 0.0, 0.02) for n in range(2))
    picture = model_pictures.permutation_picture(replace(report.importance, permuted=same))
    (bars,) = picture.data
    assert list(bars.y) == [0, 1]
    assert len(set(picture.layout.yaxis.ticktext)) == 1


def test_labels_are_text_whatever_they_hold(report):
    evil = replace(report.importance.contributions[0], feature="<b>x</b>&")
    found = replace(report.importance, contributions=(evil,))
    picture = model_pictures.contribution_picture(found)
    assert list(picture.layout.yaxis.ticktext) == ["&lt;b&gt;x&lt;/b&gt;&amp;"]
    first = report.walk_forward.folds[0]
    named = replace(first, tested=replace(first.tested, period="<i>1</i>"))
    walk = replace(report.walk_forward, folds=(named,))
    (area, _) = model_pictures.walk_forward_picture(walk, None).data
    assert list(area.x) == ["&lt;i&gt;1&lt;/i&gt;"]


def test_equity_shows_all_the_accepted_and_the_band_of_chance(report):
    paths = report.holdout.evaluation.equity
    picture = model_pictures.equity_picture(paths)
    assert list(trace(picture, "accepted").y) == list(paths.accepted)
    assert list(trace(picture, "every signal").y) == list(paths.everything)
    assert list(trace(picture, "random, mean").y) == list(paths.random_mean)
    high, low = picture.data[:2]
    assert (list(high.y), list(low.y)) == (list(paths.random_high), list(paths.random_low))
    assert low.fill == "tonexty"
    assert list(low.x) == list(np.array(paths.exit_ts).astype("datetime64[ns]"))


def test_no_mark_lies_on_the_edge_of_its_picture(report, evaluations):
    far = replace(report.threshold, value=0.9)
    low, high = model_pictures.threshold_picture(evaluations, far).layout.xaxis.range
    assert low < min(report.out_of_fold.curve.threshold)
    assert 0.9 < high < 1.0


def test_a_model_that_always_says_the_same_is_not_blown_up(report):
    same = PathDistribution(0.5, (0.5, 0.5), 0.5, 0.5, 0.5, 0.5)
    found = replace(report.combinatorial, figures=replace(report.combinatorial.figures, auc=same))
    assert list(model_pictures.paths_picture(found).layout.xaxis.range) == [0.495, 0.505]
    held = report.holdout.evaluation
    (first, *_) = held.reliability.bins
    flat = replace(first, lowest=0.46, highest=0.46, foretold=0.46)
    flat_told = replace(held, reliability=replace(held.reliability, bins=(flat,)))
    picture = model_pictures.reliability_picture([(HOLDOUT, flat_told)])
    assert picture.layout.xaxis.range == pytest.approx((0.41, 0.51))
