"""What is known of outcomes: their order, their pace, what they promise and what they show."""

import numpy as np
import pytest

from streams import layer_a
from tests.trainers.false_alarms.profiles import DAY_NS, plain, spoken
from trainers.false_alarms.outcome_profile import (
    OUTCOMES_KEPT_MAX,
    Spoken,
    monthly,
    profile_of,
    profile_of_auc,
    promised_auc,
)


@pytest.mark.parametrize("auc", [0.52, 0.58, 0.7, 0.9])
@pytest.mark.parametrize("base_rate", [0.2, 0.45, 0.7])
def test_a_told_model_has_the_auc_and_the_base_rate_that_were_told(auc: float, base_rate: float):
    profile = profile_of_auc(auc, base_rate, 10.0)
    assert profile.base_rate == pytest.approx(base_rate, abs=1e-3)
    assert profile.promised_auc == pytest.approx(auc, abs=1e-3)


def test_a_model_of_no_skill_can_be_told_of():
    assert profile_of_auc(0.5, 0.4, 10.0).promised_auc == pytest.approx(0.5, abs=1e-6)


def test_the_promise_is_the_area_that_outcomes_show_in_expectation():
    law = layer_a.draw(np.random.default_rng(1), 3_000, bayes_auc=0.62)
    expected = layer_a.expected_auc(law.probability, law.probability)
    assert promised_auc(law.probability) == pytest.approx(expected, abs=1e-3)


def test_outcomes_stand_in_the_order_in_which_they_are_judged():
    known = Spoken(
        signal_ids=np.array(["b", "a", "c"]),
        ts=np.array([0, 0, 1]) * DAY_NS,
        exit_ts=np.array([5, 5, 2]) * DAY_NS,
        probability=np.array([0.2, 0.4, 0.6]),
        y=np.array([0, 1, 1], dtype=np.int8),
    )
    assert profile_of(known).probability.tolist() == [0.6, 0.4, 0.2]
    # Judged ten days after the signal at the earliest: the first two are, before the third.
    assert profile_of(known, 10 * DAY_NS).probability.tolist() == [0.4, 0.2, 0.6]


def test_the_pace_counts_all_outcomes_and_the_profile_the_newest():
    rng = np.random.default_rng(2)
    count = OUTCOMES_KEPT_MAX + 100
    p = rng.uniform(0.3, 0.7, count)
    profile = profile_of(spoken(p, (rng.random(count) < p).astype(np.int64)))
    assert len(profile) == OUTCOMES_KEPT_MAX
    assert np.array_equal(profile.probability, p[100:])
    assert profile.per_month == pytest.approx(365.25 / 12.0, rel=1e-9)


def test_outcomes_of_one_instant_have_no_pace():
    assert np.isnan(monthly(np.array([5, 5])))
    assert np.isnan(monthly(np.array([5])))


def test_what_outcomes_show_is_the_area_and_the_level_with_their_errors():
    rng = np.random.default_rng(3)
    p = plain(0.65).probability
    higher = 1.0 / (1.0 + np.exp(-(np.log(p / (1.0 - p)) + 0.3)))
    seen = profile_of(spoken(p, (rng.random(p.size) < higher).astype(np.int64))).seen
    assert seen is not None
    assert seen.auc.value == pytest.approx(0.65, abs=3 * seen.auc.error)
    assert seen.level.value == pytest.approx(0.3, abs=3 * seen.level.error)
    # As many coin tosses as outcomes: 2 / √n.
    assert seen.level.error == pytest.approx(2.0 / np.sqrt(p.size), rel=0.1)
