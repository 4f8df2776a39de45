"""Streams walk through the profile, drift when they are told to, and are their seed's own."""

import numpy as np
import pytest

from tests.trainers.false_alarms.profiles import overlapping, plain
from trainers.false_alarms.drift_law import DRIFTS, LEVEL, LOSS, NONE, true_probability
from trainers.false_alarms.simulated_outcomes import SimulatedOutcomes


def test_a_stream_begins_a_cluster_and_goes_round():
    profile = overlapping(block=7)
    outcomes = SimulatedOutcomes(profile, np.random.default_rng(1))
    skipped = outcomes.skip(3)
    drawn = outcomes.draw(2 * len(profile))
    rows = np.concatenate((skipped, drawn.rows))
    assert rows[0] % 7 == 0
    assert (np.diff(rows) % len(profile) == 1).all()
    own = profile.clusters[drawn.rows]
    assert np.array_equal(drawn.ends[:-1], own[1:] != own[:-1])


def test_however_it_is_drawn_in_parts_clusters_go_on():
    profile = overlapping()
    outcomes = SimulatedOutcomes(profile, np.random.default_rng(2))
    parts = [outcomes.draw(size) for size in (5, 1, 9, 25)]
    ends = np.concatenate([part.ends for part in parts])
    assert np.flatnonzero(ends).tolist() == [9, 19, 29, 39]


@pytest.mark.parametrize("law", [NONE, *DRIFTS])
def test_outcomes_follow_the_law_from_the_drift_on(law: str):
    profile = plain(0.7)
    wins: dict[bool, list[float]] = {False: [], True: []}
    expected: dict[bool, list[float]] = {False: [], True: []}
    truth = {False: profile.probability, True: true_probability(profile.probability, law)}
    for seed in range(20):
        outcomes = SimulatedOutcomes(profile, np.random.default_rng(seed), law, 2_000)
        for is_drifted in (False, True):
            drawn = outcomes.draw(2_000)
            high = profile.probability[drawn.rows] > 0.5
            wins[is_drifted].append(drawn.y[high].mean())
            expected[is_drifted].append(truth[is_drifted][drawn.rows[high]].mean())
    for is_drifted in (False, True):
        error = np.std(wins[is_drifted]) / np.sqrt(20)
        assert abs(np.mean(wins[is_drifted]) - np.mean(expected[is_drifted])) < 4.0 * error


def test_a_loss_of_skill_keeps_the_base_rate_and_a_level_shift_keeps_the_order():
    p = plain(0.7).probability
    assert true_probability(p, LOSS).mean() == pytest.approx(p.mean())
    assert np.unique(true_probability(p, LOSS)).size == 1
    assert np.array_equal(np.argsort(true_probability(p, LEVEL)), np.argsort(p))


def test_a_seed_draws_the_same_again_and_another_does_not():
    profile = overlapping()
    first, again, other = (
        SimulatedOutcomes(profile, np.random.default_rng(seed)).draw(500) for seed in (4, 4, 5)
    )
    assert np.array_equal(first.y, again.y)
    assert not np.array_equal(first.y, other.y)
