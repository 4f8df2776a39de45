"""Nothing is selected on what is to come, and the stitched futures are a record of their own."""

import math

import numpy as np
import pytest

from streams.errors import ConfigError, DataError
from trainers.statistics.walk_forward import (
    efficiency_of,
    highest_sharpe,
    walk_forward_analysis,
)

EDGES = (400, 600, 800, 1_000)


def noise(seed: int, trials: int = 20, periods: int = 1_000) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((periods, trials)) * 0.01


def analysed(returns: np.ndarray, **options):
    return walk_forward_analysis(returns, EDGES, **({"periods_per_year": 252.0} | options))


def test_a_fold_selects_on_what_is_before_it_alone():
    returns = noise(1)
    plain = analysed(returns, embargo=10)
    for fold in plain.folds:
        changed = returns.copy()
        changed[fold.past_end :] *= -1e6
        again = next(f for f in analysed(changed, embargo=10).folds if f.first == fold.first)
        assert (again.selected, again.past_sharpe) == (fold.selected, fold.past_sharpe)
        assert fold.past_end == fold.first - 10


def test_the_stitched_returns_are_those_of_each_folds_selected():
    returns = noise(2)
    found = analysed(returns)
    parts = [returns[f.first : f.end, f.selected] for f in found.folds]
    assert found.returns.tolist() == np.concatenate(parts).tolist()
    mean, deviation = found.returns.mean(), found.returns.std(ddof=1)
    assert found.t_statistic == pytest.approx(mean / deviation * math.sqrt(600))
    assert [f.selected for f in found.folds] == [highest_sharpe(returns[:e]) for e in EDGES[:-1]]


def test_efficiency_is_the_future_over_the_past():
    returns = noise(3)
    returns[:, 4] += 0.003
    found = analysed(returns)
    assert [f.selected for f in found.folds] == [4, 4, 4]
    past = np.mean([returns[:e, 4].mean() for e in EDGES[:-1]])
    future = np.mean([returns[a : a + 200, 4].mean() for a in EDGES[:-1]])
    assert found.efficiency == pytest.approx(future / past)
    assert found.folds[0].past_mean == pytest.approx(returns[:400, 4].mean() * 252.0)
    assert found.t_statistic > 5.0


def test_efficiency_of_a_loss_is_not_defined():
    assert efficiency_of([-0.1, 0.05], [0.2, 0.2]) is None
    assert efficiency_of([0.0], [0.1]) is None
    assert efficiency_of([], []) is None
    assert analysed(-np.abs(noise(4))).efficiency is None


def test_noise_selected_on_noise_keeps_nothing():
    found = [analysed(noise(seed)) for seed in range(100, 160)]
    scores = np.array([f.t_statistic for f in found])
    assert abs(scores.mean()) < 3.0 / math.sqrt(scores.size)
    assert np.mean([f.folds[0].past_sharpe for f in found]) > 1.0


def test_a_rule_of_ones_own_may_select():
    found = analysed(noise(5), rule=lambda past: int(past[-1].argmin()))
    assert found.folds[0].selected == int(noise(5)[399].argmin())


def test_a_trial_that_never_trades_has_no_sharpe_ratio_and_beats_those_that_lose():
    returns = noise(6) - 0.01
    returns[:, 3] = 0.0
    found = analysed(returns)
    assert {f.selected for f in found.folds} == {3}
    assert found.folds[0].past_sharpe is found.t_statistic is None


@pytest.mark.parametrize(
    ("edges", "embargo", "message"),
    [
        ((400, 400), 0, "edges must ascend"),
        ((400,), 0, "edges must ascend"),
        ((400, 1_001), 0, "end by row 1000"),
        ((10, 20), 9, "leave 2 rows before the first fold and its embargo of 9"),
        ((10, 20), -1, "embargo must be 0 periods or more, was -1"),
    ],
)
def test_folds_that_cannot_be_are_refused(edges, embargo: int, message: str):
    with pytest.raises(ConfigError, match=message):
        walk_forward_analysis(noise(7), edges, periods_per_year=252.0, embargo=embargo)


def test_returns_that_are_none_are_refused():
    with pytest.raises(DataError, match="returns must be finite"):
        analysed(np.full((1_000, 2), math.nan))
    with pytest.raises(DataError, match="one column per trial"):
        analysed(np.zeros(1_000))
