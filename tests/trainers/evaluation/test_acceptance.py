"""What is accepted is set against all, by definitions that anybody can repeat."""

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score

from tests.trainers.evaluation.told import told_outcomes, with_r
from trainers.evaluation.acceptance import acceptance, utility_gain
from trainers.evaluation.threshold_curve import POINTS, threshold_curve
from trainers.gate import Window, compare


def drawn(seed: int, count: int = 600):
    outcomes, p = told_outcomes(seed, count)
    noise = np.random.default_rng(seed).normal(0.0, 0.7, count)
    return with_r(outcomes, outcomes.r_multiple + noise), p


def test_precision_and_recall_are_scikit_learns():
    outcomes, p = drawn(1)
    found = acceptance(outcomes, p, 0.47)
    taken = p >= 0.47
    assert found.precision.value == pytest.approx(precision_score(outcomes.y, taken))
    assert found.recall.value == pytest.approx(recall_score(outcomes.y, taken))
    assert (found.accepted, found.share) == (int(taken.sum()), pytest.approx(taken.mean()))


def test_hits_and_r_of_the_accepted_are_told_beside_those_of_all():
    outcomes, p = drawn(2)
    found, r, taken = acceptance(outcomes, p, 0.5), outcomes.r_multiple, p >= 0.5
    assert found.mean_r.value == pytest.approx(r[taken].mean())
    assert found.mean_r_all.value == pytest.approx(r.mean())
    assert found.mean_r_gain.value == pytest.approx(r[taken].mean() - r.mean())
    assert found.hit_rate.value == pytest.approx((r[taken] > 0).mean())
    assert found.hit_rate_gain.value == pytest.approx((r[taken] > 0).mean() - (r > 0).mean())
    assert found.utility_r.value == pytest.approx(r[taken].sum() / 600)


def test_error_of_a_gain_is_that_of_leaving_out_one_day_after_the_other():
    outcomes, p = drawn(3, 800)
    left_out = []
    for day in np.unique(outcomes.days):
        rows = outcomes.days != day
        found = acceptance(outcomes.take(rows), p[rows], 0.5)
        left_out.append([found.mean_r_gain.value, found.hit_rate_gain.value])
    count = len(left_out)
    errors = np.std(left_out, axis=0) * (count - 1) / count**0.5
    whole = acceptance(outcomes, p, 0.5)
    assert [whole.mean_r_gain.error, whole.hit_rate_gain.error] == pytest.approx(errors, rel=0.05)


def test_utility_is_what_the_gate_judges_by():
    outcomes, p = drawn(4)
    window = Window(outcomes.y, outcomes.r_multiple, outcomes.days, 0.5)
    gate = compare(window, p, np.full(600, 0.46), other_filters=False).utility
    found = acceptance(outcomes, p, 0.5).utility_gain_r
    assert (found.value, found.error) == pytest.approx(gate[:2])


def test_accepting_all_gains_nothing_and_accepting_none_loses_what_all_earn():
    outcomes, p = drawn(5)
    everything, nothing = acceptance(outcomes, p, 0.0), acceptance(outcomes, p, 1.0)
    for figure in (everything.mean_r_gain, everything.utility_gain_r, everything.hit_rate_gain):
        assert (figure.value, figure.error) == pytest.approx((0.0, 0.0))
    assert nothing.utility_gain_r.value == pytest.approx(-outcomes.r_multiple.mean())
    assert nothing.utility_r.value == nothing.recall.value == 0.0
    assert nothing.mean_r.reason == "no signal has a probability of 1 or more"


def test_a_single_accepted_day_has_no_error():
    outcomes, p = drawn(6)
    found = acceptance(outcomes, np.where(outcomes.days == outcomes.days[0], 0.9, p * 0.5), 0.8)
    assert found.accepted == 10
    assert found.mean_r_gain.error is found.mean_r.error is found.precision.error is None
    assert "one day" in found.mean_r_gain.reason


def test_curve_says_at_each_threshold_what_the_acceptance_does():
    outcomes, p = drawn(7)
    curve = threshold_curve(outcomes, p)
    assert len(curve.threshold) == POINTS
    assert list(curve.threshold) == sorted(set(curve.threshold))
    assert curve.share[0] == 1.0
    for point in (0, 10, 25, 49, 50):
        found = acceptance(outcomes, p, curve.threshold[point])
        assert curve.share[point] == pytest.approx(found.share)
        assert curve.mean_r[point] == pytest.approx(found.mean_r.value)
        assert curve.hit_rate[point] == pytest.approx(found.hit_rate.value)
        gain = utility_gain(outcomes, p, curve.threshold[point])
        assert curve.utility_gain_r[point] == pytest.approx(gain.value, abs=1e-15)
        assert curve.utility_gain_error[point] == pytest.approx(gain.error, abs=1e-15)


def test_curve_of_few_probabilities_has_few_points():
    outcomes, _ = drawn(8)
    curve = threshold_curve(outcomes, np.where(np.arange(600) % 3 == 0, 0.4, 0.6))
    assert curve.threshold == (0.4, 0.6)
    assert curve.share == pytest.approx((1.0, 2 / 3))
