"""Joubert's market: its features know no future, and the trainers use what they tell.

Twenty runs of it are in tests/benchmarks/bench_joubert.py.
"""

import numpy as np
import pytest

from tests.benchmarks import joubert
from tests.benchmarks.trained_model import probability_of, trained
from trainers.pipeline.pipeline_settings import PipelineSettings

SEED = 1000
LOGISTIC = PipelineSettings(learners=("logistic",), tuned=(), trials=1, workers=1)


def meta_sharpe(trial: joubert.Trial) -> float:
    return trial.sharpe(probability_of(trained(trial.training, LOGISTIC), trial.x) > 0.5)


@pytest.mark.parametrize("cut", [1, 2, 150, 1_234])
def test_features_of_a_market_that_ends_earlier_are_the_same_bit_for_bit(cut: int):
    returns = joubert.draw("dual", SEED, 2_000).returns
    whole, early = joubert.features(returns), joubert.features(returns[:cut])
    for name, values in early.items():
        np.testing.assert_array_equal(values, whole[name][:cut], err_msg=name)


def test_features_know_nothing_of_what_comes_after_them():
    returns = joubert.draw("dual", SEED, 2_000).returns
    changed = returns.copy()
    changed[1_234:] *= 1e6
    whole, other = joubert.features(returns), joubert.features(changed)
    for name in whole:
        np.testing.assert_array_equal(whole[name][:1_234], other[name][:1_234], err_msg=name)
        assert not np.array_equal(whole[name][1_234:], other[name][1_234:]), name


def test_no_training_label_is_closed_at_the_first_test_step_or_later():
    trial = joubert.trial_of(joubert.draw("single", SEED).returns)
    tested = trial.next_returns.size
    last_step = (trial.training.exit_ts[-1] - joubert.START_TS) // joubert.DAY_NS
    assert last_step < joubert.STEPS - 1 - tested


def test_a_block_begins_anew_whatever_came_before_it():
    market = joubert.draw("dual", SEED, 60_000)
    first = market.returns[:: joubert.BLOCK_STEPS]
    is_reversed = market.is_reversed[:: joubert.BLOCK_STEPS]
    assert is_reversed.mean() == pytest.approx(joubert.OTHER_SHARE, abs=0.03)
    expected = float(joubert.COEFFICIENTS @ joubert.FIRST_LAGS)
    assert first[~is_reversed].mean() == pytest.approx(expected, abs=0.0015)
    assert first[is_reversed].mean() == pytest.approx(-expected, abs=0.003)
    assert first[~is_reversed].std() == pytest.approx(joubert.DEVIATION, rel=0.1)


def test_causal_features_earn_in_two_regimes_what_lags_alone_do_not():
    returns = joubert.draw("dual", SEED).returns
    trial, lags = joubert.trial_of(returns), joubert.trial_of(returns, joubert.LAG_NAMES)
    taken = trial.sharpe(trial.is_long)
    assert meta_sharpe(trial) > max(meta_sharpe(lags), taken) + 1.0


def test_in_one_regime_a_meta_model_doubles_the_sharpe_ratio():
    trial = joubert.trial_of(joubert.draw("single", SEED).returns)
    taken = trial.sharpe(trial.is_long)
    assert meta_sharpe(trial) > taken + 1.0
