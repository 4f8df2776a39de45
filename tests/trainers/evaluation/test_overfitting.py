"""A search's own part in a record is told, or why it cannot be."""

import numpy as np
import pytest

from streams.errors import DataError
from trainers.evaluation.overfitting import DailySums, daily_sums, deflated_of, pbo_of
from trainers.research.trial_ledger import Among, Trial, TrialLedger
from trainers.statistics.pbo import estimate_pbo
from trainers.statistics.sharpe import probabilistic_sharpe


def gains(seed: int, days: int = 400, trials: int = 20, merit: float = 0.0):
    values = np.random.default_rng(seed).standard_normal((days, trials))
    values[:, 0] += merit
    return values


def trial(number: int, sharpe: float | None, scope: str = "rsi2") -> Trial:
    return Trial("model", scope, "s", "d", str(number), "study", sharpe, 300)


def test_pbo_is_the_optimisers_on_the_same_days():
    own, plain = pbo_of(gains(1), seed=5), estimate_pbo(gains(1), blocks=16, seed=5)
    assert (own.pbo, own.error, own.low, own.high, own.slope) == (
        plain.pbo,
        plain.error,
        plain.low,
        plain.high,
        plain.slope,
    )
    assert (own.trials, own.days, own.blocks, own.reason) == (20, 400, 16, None)


def test_a_trial_with_merit_is_hardly_overfitted():
    assert pbo_of(gains(2, merit=0.4)).pbo < 0.05 < 0.2 < pbo_of(gains(2)).pbo


def test_short_records_take_fewer_blocks():
    assert pbo_of(gains(3, days=79)).blocks == 14
    assert pbo_of(gains(3, days=40)).blocks == 8


@pytest.mark.parametrize(
    ("days", "trials", "words"),
    [
        (400, 4, "needs 5 trials or more, was 4: let the search try more"),
        (39, 20, "needs 40 days with predictions or more, was 39: give a longer history"),
        (0, 0, "needs 5 trials or more, was 0"),
    ],
)
def test_too_little_for_a_pbo_says_what_is_missing(days: int, trials: int, words: str):
    found = pbo_of(np.zeros((days, trials)))
    assert found.pbo is found.error is found.low is None
    assert words in found.reason


def test_unknown_gains_are_refused():
    values = gains(4)
    values[3, 3] = np.nan
    with pytest.raises(DataError, match="1 values that are not: leave samples out"):
        pbo_of(values)


def test_sums_of_a_day_are_of_its_signals():
    values = np.arange(12.0).reshape(6, 2)
    found = daily_sums(values, np.array([7, 5, 7, 5, 9, 9]))
    assert found.days.tolist() == [5, 7, 9]
    assert found.sums.tolist() == [[8.0, 10.0], [4.0, 6.0], [18.0, 20.0]]
    assert found.per_year == pytest.approx(3 / 5 * 365.25)


def test_sharpe_is_deflated_by_the_models_of_the_ledger(tmp_path):
    returns = np.random.default_rng(5).normal(0.15, 1.0, 300)
    daily = DailySums(np.arange(300), returns)
    with TrialLedger(tmp_path / "ledger.db") as ledger:
        among = Among(kind="model", scope="rsi2")
        alone = deflated_of(daily, ledger, among)
        ledger.record(trial(n, s) for n, s in enumerate(np.linspace(-0.1, 0.1, 40)))
        ledger.record([trial(0, 5.0, scope="another")])
        many = deflated_of(daily, ledger, among)
    sharpe = returns.mean() / returns.std(ddof=1)
    assert alone.sharpe == many.sharpe == pytest.approx(sharpe * 365.25**0.5)
    assert (alone.trials, many.trials) == (0, 40)
    assert alone.benchmark == 0.0
    assert alone.probability == pytest.approx(probabilistic_sharpe(sharpe, 300), abs=0.002)
    assert many.probability < alone.probability - 0.1
    spread = np.linspace(-0.1, 0.1, 40).std(ddof=1)
    assert many.benchmark == pytest.approx(spread * 2.19 * 365.25**0.5, rel=0.01)


@pytest.mark.parametrize(
    ("returns", "words"),
    [
        (np.ones(19), "needs 20 days with a signal or more, was 19"),
        (np.zeros(100), "the daily R does not vary: nothing is accepted"),
        (np.empty(0), "was 0: give a longer history"),
    ],
)
def test_what_has_no_sharpe_ratio_says_so(tmp_path, returns, words: str):
    with TrialLedger(tmp_path / "ledger.db") as ledger:
        found = deflated_of(DailySums(np.arange(returns.size), returns), ledger)
    assert found.sharpe is found.probability is None
    assert words in found.reason
