"""Paths of R: all, the accepted, and as many at random."""

from dataclasses import replace

import numpy as np
import pytest

from tests.trainers.evaluation.told import told_outcomes, with_r
from trainers.dataset import DAY_NS
from trainers.evaluation.equity_paths import POINTS_MAX, equity_paths


def drawn(seed: int, count: int = 600):
    outcomes, p = told_outcomes(seed, count)
    rng = np.random.default_rng(seed)
    held = rng.integers(1, 20, count) * DAY_NS
    outcomes = replace(outcomes, exit_ts=outcomes.ts + held)
    return with_r(outcomes, outcomes.r_multiple + rng.normal(0.0, 0.3, count)), p


def test_paths_are_sums_by_the_time_of_the_exit():
    outcomes, p = drawn(1)
    paths = equity_paths(outcomes, p, 0.5, seed=1)
    assert list(paths.exit_ts) == np.unique(outcomes.exit_ts).tolist()
    for point in (0, 17, len(paths.exit_ts) - 1):
        left = outcomes.exit_ts <= paths.exit_ts[point]
        r = outcomes.r_multiple
        assert paths.everything[point] == pytest.approx(r[left].sum())
        assert paths.accepted[point] == pytest.approx(r[left & (p >= 0.5)].sum())


def test_long_paths_are_thinned_and_end_where_they_end():
    outcomes, p = drawn(2, 6_000)
    outcomes = replace(outcomes, exit_ts=outcomes.exit_ts + np.arange(6_000))
    paths = equity_paths(outcomes, p, 0.5, seed=1)
    assert len(paths.exit_ts) == len(paths.random_low) == POINTS_MAX
    assert paths.exit_ts[-1] == outcomes.exit_ts.max()
    assert paths.everything[-1] == pytest.approx(outcomes.r_multiple.sum())
    for point in (0, 200, 399):
        left = outcomes.exit_ts <= paths.exit_ts[point]
        assert paths.everything[point] == pytest.approx(outcomes.r_multiple[left].sum())


def test_random_acceptance_is_what_drawing_without_replacement_gives():
    outcomes, p = drawn(3)
    paths = equity_paths(outcomes, p, 0.5, seed=4)
    count, accepted = 600, int((p >= 0.5).sum())
    share = accepted / count
    r = outcomes.r_multiple
    error = (accepted * r.var(ddof=1) * (1 - share)) ** 0.5
    assert paths.random_mean[-1] == pytest.approx(share * r.sum(), abs=4 * error / 200**0.5)
    width = paths.random_high[-1] - paths.random_low[-1]
    assert width == pytest.approx(2 * 1.645 * error, rel=0.2)


def test_skill_ends_above_the_draws_and_its_reverse_below():
    outcomes, p = drawn(5, 2_000)
    assert equity_paths(outcomes, p, 0.5, seed=1).share_of_random_below == 1.0
    assert equity_paths(outcomes, 1.0 - p, 0.5, seed=1).share_of_random_below == 0.0


def test_no_skill_is_anywhere_among_the_draws():
    shares = []
    for seed in range(30):
        outcomes, _ = drawn(seed, 200)
        blind = np.random.default_rng(seed + 100).random(200)
        shares.append(equity_paths(outcomes, blind, 0.5, seed=seed).share_of_random_below)
    assert 0.35 < np.mean(shares) < 0.65
    assert min(shares) < 0.2
    assert max(shares) > 0.8


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_all_or_none_leave_nothing_to_chance(threshold: float):
    outcomes, p = drawn(6)
    paths = equity_paths(outcomes, p, threshold, seed=1)
    assert paths.share_of_random_below is None
    assert paths.random_low == pytest.approx(paths.accepted)
    assert paths.random_high == pytest.approx(paths.accepted)
