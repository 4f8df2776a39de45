"""Published figures of Bailey and Lopez de Prado, to the digits given, and the laws behind them."""

import math

import numpy as np
import pytest

from streams.errors import ConfigError
from trainers.statistics.performance import moments_of
from trainers.statistics.sharpe import (
    deflated_sharpe,
    effective_trials,
    expected_maximum,
    minimum_track_record,
    probabilistic_sharpe,
    sharpe_error,
)

DAYS = 250
ANNUAL = 2.5
EXAMPLE = {"skew": -3.0, "kurtosis": 10.0, "variance": 0.5 / DAYS}


@pytest.mark.parametrize(("trials", "figure"), [(10, 1.575), (45, 2.236), (100, 2.531)])
def test_the_expected_maximum_is_the_published_one(trials: int, figure: float):
    assert round(expected_maximum(trials), 3) == figure


def test_the_deflated_ratio_is_the_published_one():
    hundred = deflated_sharpe(ANNUAL / math.sqrt(DAYS), 1_250, trials=100, **EXAMPLE)
    assert round(hundred.benchmark, 4) == 0.1132
    assert round(hundred.probability, 4) == 0.9004
    fewer = deflated_sharpe(ANNUAL / math.sqrt(DAYS), 1_250, trials=46, **EXAMPLE)
    assert round(fewer.probability, 4) == 0.9505


@pytest.mark.parametrize(("annual", "years"), [(1.0, 2.71), (2.0, 0.69)])
def test_the_minimum_track_record_is_the_published_one(annual: float, years: float):
    assert round(minimum_track_record(annual / math.sqrt(DAYS)) / DAYS, 2) == years


def test_after_the_minimum_track_record_the_probability_is_the_confidence():
    shape = {"benchmark": 0.01, "skew": -0.4, "kurtosis": 5.0}
    periods = minimum_track_record(0.06, confidence=0.9, **shape)
    assert probabilistic_sharpe(0.06, math.ceil(periods), **shape) == pytest.approx(0.9, abs=1e-3)
    assert minimum_track_record(0.01, benchmark=0.01) == math.inf


def test_the_error_is_the_spread_of_estimates_of_a_skewed_law():
    rng = np.random.default_rng(11)
    # A gamma law of shape 4: skew 1, kurtosis 4.5.
    draws = (rng.gamma(4.0, 1.0, (3_000, 500)) - 4.0) / 2.0 + 0.3
    estimates = draws.mean(axis=1) / draws.std(axis=1, ddof=1)
    stated = sharpe_error(0.3, 500, skew=1.0, kurtosis=4.5)
    assert estimates.std() == pytest.approx(stated, rel=0.05)
    assert abs(estimates.std() - sharpe_error(0.3, 500)) > 0.1 * estimates.std()


def test_one_trial_deflates_nothing_and_more_deflate_more():
    one = deflated_sharpe(0.1, 500, trials=1, variance=0.0)
    assert one.probability == probabilistic_sharpe(0.1, 500)
    probabilities = [
        deflated_sharpe(0.1, 500, trials=n, variance=0.001).probability
        for n in (1, 2, 3, 10, 1_000)
    ]
    assert probabilities == sorted(probabilities, reverse=True)
    assert len(set(probabilities)) == 5


def test_the_expected_maximum_is_near_the_drawn_one():
    rng = np.random.default_rng(2)
    for trials in (5, 50, 500):
        drawn = rng.standard_normal((4_000, trials)).max(axis=1).mean()
        assert expected_maximum(trials) == pytest.approx(drawn, abs=0.06)


def test_unrelated_trials_count_in_full_and_copies_once():
    rng = np.random.default_rng(5)
    base = rng.standard_normal((1_500, 10))
    copies = np.repeat(base, 10, axis=1) + 0.01 * rng.standard_normal((1_500, 100))
    assert effective_trials(rng.standard_normal((1_500, 60))) == pytest.approx(60, rel=0.05)
    assert effective_trials(copies) == pytest.approx(10, rel=0.15)
    assert effective_trials(np.repeat(base[:, :1], 7, axis=1)) == 1.0


def test_what_all_trials_share_does_not_make_them_fewer():
    rng = np.random.default_rng(6)
    market = rng.standard_normal((1_500, 1))
    trials = market + rng.standard_normal((1_500, 40))
    assert effective_trials(trials) == pytest.approx(40, rel=0.05)


def test_trials_without_a_trade_count_for_nothing():
    returns = np.random.default_rng(7).standard_normal((500, 6)) * 0.01
    with_idle = np.concatenate((returns, np.zeros((500, 30))), axis=1)
    assert effective_trials(with_idle) < 8.0
    assert effective_trials(np.zeros((500, 4))) == 1.0
    assert effective_trials(returns[:2]) == 1.0


def test_an_excess_kurtosis_is_noticed():
    with pytest.raises(ConfigError, match="kurtosis must be raw, 3 for a normal law"):
        sharpe_error(0.1, 100, kurtosis=0.0)
    for name, wrong in (("trials", 0.5), ("variance", -1.0)):
        with pytest.raises(ConfigError, match=name):
            deflated_sharpe(0.1, 100, **({"trials": 3, "variance": 0.1} | {name: wrong}))
    with pytest.raises(ConfigError, match="confidence"):
        minimum_track_record(0.1, confidence=1.0)


def test_moments_of_any_sample_are_accepted():
    rng = np.random.default_rng(8)
    for _ in range(200):
        sample = np.where(rng.random(30) < 0.1, rng.standard_cauchy(30), 0.001)
        moments = moments_of(sample)
        if moments.skew is not None:
            assert sharpe_error(0.1, 30, skew=moments.skew, kurtosis=moments.kurtosis) > 0.0


def test_too_few_periods_know_nothing():
    assert probabilistic_sharpe(3.0, 1) == 0.5
