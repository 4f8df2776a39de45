"""The probability of backtest overfitting is that of the published method, and is told as noisy."""

import itertools
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from streams.errors import ConfigError, DataError
from tests.house import ROOT
from trainers.statistics.pbo import estimate_pbo

DAYS = 252
PERIODS, TRIALS, BLOCKS = 1_000, 50, 10
SHARPES = (0.0, 1.0, 2.0, 3.0)
KNOWN_PBO = (0.47, 0.39, 0.13, 0.01)
KNOWN_DEVIATION = (0.18, 0.17, 0.11, 0.03)
KNOWN_RUNS = 60
"""The known figures are themselves a small Monte-Carlo, right to some 10 to 20 %."""


def drawn(rng: np.random.Generator, sharpe: float, trials: int = TRIALS) -> np.ndarray:
    """Returns of trials of which one has the annual Sharpe ratio, all others 0."""
    returns = rng.standard_normal((PERIODS, trials)) * 0.01
    returns[:, trials // 3] += 0.01 * sharpe / math.sqrt(DAYS)
    return returns


def by_definition(returns: np.ndarray, blocks: int) -> tuple[list[float], list[float]]:
    """Logits and future Sharpe ratios of the selected, split by split, as the paper has it."""
    parts = np.array_split(np.arange(len(returns)), blocks)
    logits, futures = [], []
    for chosen in itertools.combinations(range(blocks), blocks // 2):
        past = np.concatenate([parts[k] for k in chosen])
        future = np.setdiff1d(np.arange(len(returns)), past)
        ratios = [returns[rows].mean(axis=0) / returns[rows].std(axis=0) for rows in (past, future)]
        winner = int(ratios[0].argmax())
        omega = stats.rankdata(ratios[1])[winner] / (returns.shape[1] + 1)
        logits.append(math.log(omega / (1.0 - omega)))
        futures.append(ratios[1][winner])
    return logits, futures


def test_it_is_what_the_definition_says_split_by_split():
    returns = drawn(np.random.default_rng(1), 1.5, trials=13)
    found = estimate_pbo(returns, blocks=8)
    logits, futures = by_definition(returns, 8)
    assert found.logits == pytest.approx(logits)
    assert found.pbo == pytest.approx(np.mean(np.array(logits) <= 0.0), abs=0.1)
    assert found.probability_of_loss == np.mean(np.array(futures) < 0.0)


def test_all_splits_of_sixteen_blocks_are_looked_at_and_of_more_a_sample():
    returns = drawn(np.random.default_rng(2), 0.0, trials=3)
    assert estimate_pbo(returns, blocks=16, resamples=2).logits.size == 12_870
    sampled = estimate_pbo(returns, blocks=20, resamples=2)
    assert 12_000 < sampled.logits.size <= 12_870


def test_a_sample_of_the_splits_says_what_all_of_them_say():
    returns = drawn(np.random.default_rng(3), 1.0)
    whole = estimate_pbo(returns, blocks=12)
    sampled = estimate_pbo(returns, blocks=12, splits_max=400)
    assert sampled.logits.size < whole.logits.size
    assert sampled.pbo == pytest.approx(whole.pbo, abs=0.06)


def monte_carlo(sharpe: float, runs: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """PBO and stated error of so many independent draws."""
    rng = np.random.default_rng([seed, int(sharpe)])
    found = [estimate_pbo(drawn(rng, sharpe), blocks=BLOCKS) for _ in range(runs)]
    return np.array([f.pbo for f in found]), np.array([f.error for f in found])


def hold_to_the_known(pbo: np.ndarray, known: float, deviation: float) -> None:
    """The known figures, as they were rounded, are what so many of such draws may well give."""
    size = round(1.0 / (1.0 / pbo.size + 1.0 / KNOWN_RUNS))
    drawn_anew = np.random.default_rng(1).choice(pbo, (4_000, size))
    for name, figure in (("mean", known), ("std", deviation)):
        low, high = np.quantile(getattr(drawn_anew, name)(axis=1), (0.001, 0.999))
        assert low - 0.005 < figure < high + 0.005, (name, figure, low, high)


@pytest.mark.parametrize(("sharpe", "known", "deviation"), [(0.0, 0.47, 0.18), (2.0, 0.13, 0.11)])
def test_the_known_figures_come_again(sharpe: float, known: float, deviation: float):
    pbo, _ = monte_carlo(sharpe, 40, seed=1)
    hold_to_the_known(pbo, known, deviation)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sharpe", "known", "deviation"), list(zip(SHARPES, KNOWN_PBO, KNOWN_DEVIATION, strict=True))
)
def test_the_known_figures_come_again_in_many_draws(sharpe, known, deviation):
    pbo, error = monte_carlo(sharpe, 500, seed=2)
    print(f"\nSharpe {sharpe}: PBO {pbo.mean():.3f} +- {pbo.std():.3f}, told {error.mean():.3f}")
    hold_to_the_known(pbo, known, deviation)


@pytest.mark.slow
def test_without_merit_the_mean_is_a_half_and_the_error_told_is_the_true_one():
    pbo, error = monte_carlo(0.0, 500, seed=3)
    assert abs(pbo.mean() - 0.5) < 3.0 * pbo.std() / math.sqrt(pbo.size)
    assert np.sqrt(np.mean(error**2)) == pytest.approx(pbo.std(), rel=0.12)


def test_the_error_told_is_of_the_size_of_the_true_one():
    pbo, error = monte_carlo(0.0, 40, seed=4)
    assert 0.6 < error.mean() / pbo.std(ddof=1) < 1.6


def test_points_lie_within_zero_and_one_about_the_estimate():
    found = estimate_pbo(drawn(np.random.default_rng(5), 4.0))
    assert 0.0 <= found.low <= found.pbo <= found.high <= 1.0
    assert found.pbo < 0.05
    assert found.probability_of_loss < 0.05


def test_a_strategy_with_merit_gains_in_the_future_too_and_overfitting_costs():
    rng = np.random.default_rng(6)
    noise = [estimate_pbo(drawn(rng, 0.0), blocks=BLOCKS).slope for _ in range(20)]
    # What one half has too much of, the other half lacks.
    assert np.mean(noise) < -0.3


def test_the_same_seed_gives_the_same_spread_and_the_pbo_needs_none():
    returns = drawn(np.random.default_rng(7), 1.0)
    first, again, other = (estimate_pbo(returns, blocks=BLOCKS, seed=s) for s in (1, 1, 2))
    assert (first.error, first.pbo) == (again.error, again.pbo)
    assert first.pbo == other.pbo
    assert first.error != other.error


def test_any_number_of_threads_gives_the_same_bits():
    program = (
        "import numpy as np\n"
        "from trainers.statistics.pbo import estimate_pbo\n"
        "returns = np.random.default_rng(12).standard_normal((2_000, 64)) * 0.01\n"
        "found = estimate_pbo(returns, blocks=14)\n"
        "print(repr((found.pbo, found.error, found.slope, found.logits.sum())))\n"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"OPENBLAS_NUM_THREADS": threads},
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(said) == 1


def test_copies_of_one_trial_are_as_likely_to_win_as_to_lose():
    returns = np.repeat(drawn(np.random.default_rng(8), 0.0, trials=1), 6, axis=1)
    found = estimate_pbo(returns, blocks=BLOCKS)
    assert (found.pbo, found.error) == (0.5, 0.0)
    assert (found.logits == 0.0).all()


def test_trials_that_never_trade_and_returns_of_any_size_are_no_accident():
    returns = drawn(np.random.default_rng(9), 1.0)
    returns[:, :5] = 0.0
    plain = estimate_pbo(returns, blocks=BLOCKS)
    assert estimate_pbo(returns * 1e-12, blocks=BLOCKS).pbo == plain.pbo
    idle = estimate_pbo(np.zeros((100, 4)), blocks=4)
    assert (idle.pbo, idle.slope, idle.probability_of_loss) == (0.5, None, 0.0)


def test_periods_that_no_number_of_blocks_divides_are_all_used():
    returns = drawn(np.random.default_rng(10), 1.0)[:997]
    changed = returns.copy()
    changed[-1] += 0.2 * np.arange(TRIALS)
    assert (estimate_pbo(returns).logits != estimate_pbo(changed).logits).any()


@pytest.mark.parametrize(
    ("blocks", "message"), [(7, "blocks must be even, from 2 to 40, was 7"), (42, "was 42")]
)
def test_odd_blocks_are_refused(blocks: int, message: str):
    with pytest.raises(ConfigError, match=message):
        estimate_pbo(np.zeros((200, 3)), blocks=blocks)


def test_too_little_is_said_to_be_too_little():
    with pytest.raises(DataError, match="16 blocks need 32 periods or more, was 31"):
        estimate_pbo(np.zeros((31, 3)))
    with pytest.raises(DataError, match="two trials or more"):
        estimate_pbo(np.zeros((100, 1)))
    with pytest.raises(ConfigError, match="splits_max and resamples"):
        estimate_pbo(np.zeros((100, 2)), resamples=1)
    returns = np.zeros((100, 3))
    returns[7, 2] = math.nan
    with pytest.raises(DataError, match="was nan in period 7 of trial 2"):
        estimate_pbo(returns)
