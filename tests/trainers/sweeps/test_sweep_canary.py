"""The best of a sweep over noise is called no skill, over a real edge significant."""

from pathlib import Path

import numpy as np
import pytest

from engine.backtests.bar_history import BarHistory
from tests.trainers.noise import random_walk_history
from tests.trainers.sweeps.sweeps import FREE, a_run, runs_of, sweep_into, work_on
from trainers.statistics.objective import TRADES_MIN
from trainers.sweeps.sweep_plan import SweepPlan, SweptStrategy
from trainers.sweeps.sweep_run import Run
from trainers.sweeps.sweep_skill import Trials

SEEDS = 6
BARS = 1_200
SYMBOLS = 4
DRAWS = 6
EVERY_KIND = ("rsi2_mean_reversion", "breakout", "ibs_reversion", "macd_trend")
REVERSIONS = ("rsi2_mean_reversion", "ibs_reversion", "stochastic_reversion", "consecutive_closes")
REVERSION = 0.35


def best_of_sweep(history: BarHistory, names: tuple[str, ...], path: Path) -> tuple[Run, Trials]:
    strategies = tuple(SweptStrategy(name) for name in names)
    work = work_on(history, SweepPlan(strategies, random=DRAWS), FREE)
    sweep_into(path, work)
    runs = runs_of(path)
    assert len(runs) == work.runs == len(names) * DRAWS * (SYMBOLS + 1)
    able = [run for run in runs if run.performance.trades >= TRADES_MIN]
    return max(able, key=lambda run: run.performance.sharpe_ratio or 0.0), Trials(runs)


def reverting_history(seed: int) -> BarHistory:
    """A random walk each of whose closes takes back a part of the day's move, from then on."""
    noise = random_walk_history(seed, SYMBOLS, BARS)
    values = noise.values.reshape(SYMBOLS, BARS, 5).copy()
    logs = np.log(values[:, :, :4])
    moves = np.diff(logs[:, :, 3], axis=1)
    # What is taken back today is the part of yesterday's move: it comes into the whole day.
    taken = np.zeros((SYMBOLS, BARS))
    total = np.zeros(SYMBOLS)
    before = np.zeros(SYMBOLS)
    for bar in range(1, BARS):
        total -= REVERSION * before
        taken[:, bar] = total
        before = moves[:, bar - 1] - REVERSION * before
    # The open still stands where the close did: the reversion happens while one can hold it.
    opens = np.concatenate((taken[:, :1], taken[:, :-1]), axis=1)
    shifted = logs + taken[:, :, None]
    shifted[:, :, 0] = logs[:, :, 0] + opens
    shifted[:, :, 1] = np.maximum(shifted[:, :, 1], shifted[:, :, 0])
    shifted[:, :, 2] = np.minimum(shifted[:, :, 2], shifted[:, :, 0])
    values[:, :, :4] = np.exp(shifted)
    return BarHistory(noise.symbols, "1d", noise.starts, noise.ts, values.reshape(-1, 5))


def test_the_best_of_noise_is_no_skill_though_it_looks_like_it(tmp_path):
    deflated, naive = [], []
    for seed in range(SEEDS):
        history = random_walk_history(seed, SYMBOLS, BARS)
        best, trials = best_of_sweep(history, EVERY_KIND, tmp_path / f"{seed}.db")
        skill = trials.skill_of(best)
        deflated.append(skill.deflated_sharpe)
        naive.append(Trials([best]).skill_of(best).is_significant)
        assert skill.verdict == "no skill"
    # Without the count of trials half of the same would have been believed.
    assert sum(naive) >= SEEDS / 2, naive
    assert np.mean(deflated) < 0.5


def test_a_planted_edge_is_found_and_called_significant(tmp_path):
    for seed in range(3):
        path = tmp_path / f"{seed}.db"
        best, trials = best_of_sweep(reverting_history(seed), REVERSIONS, path)
        skill = trials.skill_of(best)
        assert skill.is_significant, (seed, skill, best.performance.sharpe_ratio)
        assert skill.benchmark < best.performance.sharpe_ratio


def test_every_run_counts_also_one_that_never_traded():
    some = [a_run(str(n), sharpe=0.2 * n) for n in range(6)]
    idle = [a_run(f"idle {n}", sharpe=None, trades=0) for n in range(40)]
    few, many = Trials(some), Trials(some + idle)
    best = some[-1]
    assert (few.count, many.count) == (6, 46)
    assert many.skill_of(best).deflated_sharpe < few.skill_of(best).deflated_sharpe
    assert many.skill_of(idle[0]) == (None, None, 46)
    assert not many.skill_of(idle[0]).is_significant


def test_trials_that_other_searches_made_count_as_well():
    some = [a_run(str(n), sharpe=0.2 * n) for n in range(6)]
    alone, beside = Trials(some), Trials(some, counted=1_000)
    assert beside.skill_of(some[-1]).benchmark > alone.skill_of(some[-1]).benchmark
    assert Trials(some, counted=2).count == 6


def test_a_single_sharpe_ratio_is_held_against_worthless_ones():
    one, none = a_run("a", sharpe=1.0), a_run("b", sharpe=None, trades=0)
    skill = Trials([one, none]).skill_of(one)
    figures = one.performance
    spread = (figures.periods_per_year / (figures.periods - 1)) ** 0.5
    assert skill.benchmark == pytest.approx(spread * max(0.0, 0.5195), rel=0.2)
