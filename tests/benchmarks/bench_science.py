"""What judging a search costs: the PBO of many trials, one performance, the ledger of trials.

In seconds of the processor: a busy machine makes them no longer.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.trainers.statistics.curves import business_days
from trainers.research.trial_ledger import Trial, TrialLedger
from trainers.statistics.equity_curve import EquityCurve
from trainers.statistics.pbo import SPLITS_MAX, estimate_pbo
from trainers.statistics.performance import performance_of

pytestmark = pytest.mark.slow

ROUNDS = 5
TRIALS, PERIODS = 200, 4_000
PBO_S_MAX = 2.0
PERFORMANCE_US_MAX = 2_000.0
TRIAL_US_MAX = 100.0


def best_s(call: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        call()
        best = min(best, time.process_time() - began)
    return best


def test_the_pbo_of_200_trials_with_its_spread_takes_less_than_two_seconds():
    returns = np.random.default_rng(1).standard_normal((PERIODS, TRIALS)) * 0.01
    assert estimate_pbo(returns).logits.size == SPLITS_MAX
    took = best_s(lambda: estimate_pbo(returns))
    print(f"\nPBO, {TRIALS} trials x {PERIODS} periods, {SPLITS_MAX:,} splits: {took:.3f} s")
    assert took < PBO_S_MAX


def test_the_figures_of_a_curve_are_cheap_beside_its_backtest():
    returns = np.random.default_rng(2).standard_normal(PERIODS) * 0.01
    equity = 1e5 * np.cumprod(1.0 + returns)
    nothing = np.zeros(PERIODS)
    ts = business_days(PERIODS)
    took = best_s(lambda: performance_of(EquityCurve(ts, equity, nothing, nothing)))
    print(f"\nperformance of {PERIODS} rows: {1e6 * took:.0f} us")
    assert 1e6 * took < PERFORMANCE_US_MAX


def test_a_ledger_takes_many_trials(tmp_path: Path):
    with TrialLedger(tmp_path / "trials.db") as ledger:
        trials = [
            Trial("strategy", "rsi2", "s", "d", f"{n:064d}", "bench", 0.01, PERIODS)
            for n in range(20_000)
        ]
        began = time.process_time()
        assert ledger.record(trials) == len(trials)
        took = (time.process_time() - began) / len(trials)
        asked = best_s(lambda: ledger.deflated(0.1, PERIODS))
    print(f"\nledger: {1e6 * took:.1f} us per trial, deflated among 20,000 in {1e3 * asked:.1f} ms")
    assert 1e6 * took < TRIAL_US_MAX
