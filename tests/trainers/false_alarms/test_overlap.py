"""How far concurrent trades move together is estimated as it was planted."""

import numpy as np
import pytest

from tests.trainers.false_alarms.profiles import DAY_NS, overlapping
from trainers.false_alarms.overlap import (
    clusters_of,
    latent_correlation,
    outcome_correlation,
    overlap_of,
)
from trainers.false_alarms.simulated_outcomes import SimulatedOutcomes, dependence_of

OUTCOMES = 60_000


def test_trades_that_were_open_at_the_first_exit_are_one_cluster():
    days = np.array([0, 1, 2, 5, 6, 6, 9]) * DAY_NS
    exits = np.array([3, 3, 4, 8, 8, 9, 10]) * DAY_NS
    assert clusters_of(days, exits).tolist() == [0, 0, 0, 1, 1, 1, 2]


def test_a_signal_made_at_the_first_exit_is_of_the_next_cluster():
    assert clusters_of(np.array([0, 3]), np.array([3, 5])).tolist() == [0, 1]


@pytest.mark.parametrize(("latent", "neighbours"), [(0.0, 0.0), (0.3, 0.0), (0.3, 0.2)])
def test_the_correlation_that_was_drawn_is_found_again(latent: float, neighbours: float):
    profile = overlapping(latent, neighbours=neighbours)
    drawn = SimulatedOutcomes(profile, np.random.default_rng(3)).draw(OUTCOMES)
    clusters = np.cumsum(np.concatenate(([False], drawn.ends[:-1])))
    found = overlap_of(profile.probability[drawn.rows], drawn.y.astype(np.int8), clusters)
    assert found.open_together == pytest.approx(10.0, rel=0.01)
    # Level errors that streams are born with are not the clusters': they are taken out.
    assert abs(found.correlation - profile.overlap.correlation) <= 3.0 * found.error + 0.005
    assert found.error < 0.01
    assert found.neighbours == pytest.approx(profile.overlap.neighbours, abs=0.02)


def test_the_error_is_how_far_estimates_scatter():
    profile = overlapping(0.3)
    found = []
    for seed in range(60):
        drawn = SimulatedOutcomes(profile, np.random.default_rng(seed)).draw(1_000)
        clusters = np.cumsum(np.concatenate(([False], drawn.ends[:-1])))
        p, y = profile.probability[drawn.rows], drawn.y.astype(np.int8)
        found.append(overlap_of(p, y, clusters))
    scatter = float(np.std([one.correlation for one in found]))
    assert np.mean([one.error for one in found]) == pytest.approx(scatter, rel=0.3)


def test_a_correlation_of_outcomes_and_of_their_normals_are_each_other_s_inverse():
    for base_rate in (0.2, 0.5, 0.7):
        for latent in (0.05, 0.3, 0.8):
            seen = outcome_correlation(latent, base_rate)
            assert 0.0 < seen < latent
            assert latent_correlation(seen, base_rate) == pytest.approx(latent, abs=1e-6)
    assert latent_correlation(-0.1, 0.5) == 0.0


def test_one_cluster_says_nothing_of_how_trades_move_together():
    y = np.array([1, 0, 1, 0], dtype=np.int8)
    found = overlap_of(np.full(4, 0.5), y, np.zeros(4, dtype=np.int64))
    assert found.clusters == 1
    assert found.error == float("inf")


def test_neighbours_share_no_more_than_trades_of_one_cluster_do():
    profile = overlapping(0.1, neighbours=0.4)
    assert dependence_of(profile).carry < 1.0
    assert dependence_of(overlapping(0.0, neighbours=0.4)) == (0.0, 0.0)
