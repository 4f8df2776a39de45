"""Canaries of selecting strategies: on markets without an edge, none is found."""

import math

import numpy as np
import pytest

from engine.backtests.backtest import run_strategy
from engine.backtests.bar_history import BarHistory
from engine.backtests.trade_log import figures_of
from engine.backtests.trade_returns import trade_returns
from engine.settings import CostSettings, StrategySettings
from tests.trainers.noise import noise_trials, random_walk_history
from tests.trainers.selection_canary import SIGNIFICANT, Finding, best_of, hold_on_noise
from trainers.statistics.walk_forward import walk_forward_analysis

FREE = CostSettings(bps_per_side=0.0)
HOLDOUT = 300
DAYS = 365.25
"""Bars of a year: the random walks never close."""

# No stop and no trend filter that a short history could not serve.
SEARCHED = {
    "rsi2_mean_reversion": {
        "period": (2, 3, 4, 6),
        "entry": (5.0, 10.0, 20.0, 30.0),
        "exit": (50.0, 65.0, 80.0),
        "trend_ma": (0, 20, 50),
    },
    "breakout": {
        "hard_stop_atr_mult": (1.5, 2.5, 4.0),
        "exit_ma": (20, 50),
        "slow_clearance": (0.0, 0.005, 0.015),
        "trend_ma": (20, 50),
    },
}


def findings_on_noise(seeds: range, trials: int) -> list[Finding]:
    return [best_of(noise_trials(seed, trials), HOLDOUT) for seed in seeds]


def test_the_best_of_random_strategies_is_worth_nothing():
    findings = findings_on_noise(range(40), trials=40)
    hold_on_noise(findings)
    # What the canary is there for: without deflation almost every one looks like a find.
    assert np.mean([f.naive > SIGNIFICANT for f in findings]) > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("trials", [10, 60, 200])
def test_the_best_of_random_strategies_is_worth_nothing_in_many_markets(trials: int):
    hold_on_noise(findings_on_noise(range(1_000, 1_400), trials))


def test_a_strategy_with_merit_among_them_is_found():
    found = []
    for seed in range(20):
        returns = noise_trials(seed, 40)
        returns[:, 17] += 0.25 * returns[:, 17].std()
        found.append(best_of(returns, HOLDOUT))
    assert np.mean([f.probability > SIGNIFICANT for f in found]) > 0.8
    assert np.mean([f.holdout_agrees for f in found]) > 0.8
    assert np.mean([f.pbo for f in found]) < 0.1
    with pytest.raises(AssertionError, match="called significant"):
        hold_on_noise(found)


def test_walking_forward_on_noise_gains_nothing():
    scores = []
    for seed in range(30):
        returns = noise_trials(seed, 40)
        walked = walk_forward_analysis(returns, (300, 500, 700, 999), periods_per_year=DAYS)
        scores.append(walked.t_statistic)
    assert abs(np.mean(scores)) < 3.0 * np.std(scores) / math.sqrt(len(scores))


@pytest.mark.parametrize("kind", SEARCHED)
def test_the_random_walks_pay_nobody_who_trades_without_costs(kind: str):
    history = random_walk_history(1, symbols=20, bars=1_500)
    figures = figures_of(run_strategy(StrategySettings(kind), history), [FREE] * 20)
    earned = figures.r_multiple[figures.is_sound]
    assert earned.size > 300
    assert abs(earned.mean()) < 3.0 * earned.std() / math.sqrt(earned.size)


def test_a_bar_of_a_random_walk_is_one():
    history = random_walk_history(2, symbols=2, bars=500)
    opened, high, low, closed, _ = history.values.T
    assert (high >= np.maximum(opened, closed)).all()
    assert (low <= np.minimum(opened, closed)).all()
    assert (low > 0.0).all()
    assert history.digest() == random_walk_history(2, symbols=2, bars=500).digest()
    assert history.digest() != random_walk_history(3, symbols=2, bars=500).digest()


def searched(kind: str, history: BarHistory, rng: np.random.Generator, trials: int) -> np.ndarray:
    """Returns by instant (bars, trials) of a strategy with parameters drawn at random."""
    columns = []
    for _ in range(trials):
        params = {
            name: values[rng.integers(len(values))] for name, values in SEARCHED[kind].items()
        }
        log = run_strategy(StrategySettings(kind, params=params), history)
        returns = trade_returns(log, history, [FREE] * len(history.symbols))
        columns.append(returns.reshape(len(history.symbols), -1).mean(axis=0))
    return np.stack(columns, axis=1)


def hold_strategies_on_noise(kind: str, seeds: range, trials: int) -> None:
    findings = []
    for seed in seeds:
        history = random_walk_history(seed, symbols=5, bars=1_000)
        returns = searched(kind, history, np.random.default_rng(seed), trials)
        findings.append(best_of(returns, HOLDOUT))
    hold_on_noise(findings)


def test_searching_a_strategys_parameters_on_noise_finds_nothing():
    hold_strategies_on_noise("rsi2_mean_reversion", range(12), trials=12)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SEARCHED)
def test_searching_any_strategys_parameters_on_noise_finds_nothing(kind: str):
    hold_strategies_on_noise(kind, range(2_000, 2_200), trials=40)
