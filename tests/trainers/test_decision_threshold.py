"""The threshold costs what it says, and noise does not move it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import DataError
from trainers.decision_threshold import (
    CANDIDATES_MAX,
    ThresholdSettings,
    break_even,
    choose_threshold,
    utility_curve,
)

SEARCH = ThresholdSettings(rule="utility")
WIN, LOSS = 1.48, 1.02


def draw(count: int, seed: int, spread: float = 1.0, per_day: int = 10):
    """Return (probability, R, days, weights) of calibrated probabilities and fixed payoffs."""
    rng = np.random.default_rng(seed)
    probability = 1.0 / (1.0 + np.exp(0.4 - spread * rng.standard_normal(count)))
    r = np.where(rng.random(count) < probability, WIN, -LOSS)
    return probability, r, np.arange(count) // per_day, rng.uniform(0.5, 1.5, count)


def test_break_even_is_the_loss_over_win_and_loss():
    r = np.array([2.0, 1.0, -1.0, -0.5])
    assert break_even(r > 0.0, r, np.ones(4)) == pytest.approx(0.75 / 2.25)
    assert break_even(r > 0.0, r, np.array([1.0, 3.0, 1.0, 1.0])) == pytest.approx(0.75 / 2.0)


def test_break_even_takes_all_where_losers_earn_and_nothing_where_winners_lose():
    won = np.array([True, True, False])
    assert break_even(won, np.array([1.0, 1.0, 0.1]), np.ones(3)) == 0.0
    assert break_even(won, np.array([-0.1, -0.1, -1.0]), np.ones(3)) == 1.0
    assert break_even(np.array([True, True]), np.ones(2), np.ones(2)) == 0.0
    assert break_even(np.array([False, False]), np.array([-1.0, 0.5]), np.ones(2)) == 1.0
    assert break_even(np.array([False, False]), np.array([-1.0, 1.0]), np.ones(2)) == 0.0


def test_the_default_takes_what_earns_its_costs_and_tells_the_search_beside_it():
    probability, r, days, weights = draw(4_000, seed=1)
    chosen = choose_threshold(probability, r, days, weights)
    assert chosen.rule == "break_even"
    assert chosen.value == chosen.break_even == pytest.approx(LOSS / (WIN + LOSS))
    taken = np.where(probability >= chosen.value, r, 0.0)
    assert chosen.utility_r == pytest.approx(np.average(taken, weights=weights))
    assert chosen.accepted_share == pytest.approx(
        np.average(probability >= chosen.value, weights=weights)
    )
    assert chosen.searched == choose_threshold(probability, r, days, weights, SEARCH).value


def test_outcomes_may_be_named_where_a_winner_does_not_earn():
    probability, r, days, weights = draw(500, seed=1)
    y = (r > 0.0).astype(np.int8)
    dear = r - 1.5  # Every trade loses after such costs, whatever the model was right about.
    assert choose_threshold(probability, dear, days, weights).value == 1.0
    assert choose_threshold(probability, dear, days, weights, y=y).value == 1.0
    some = np.where(np.arange(500) % 2 == 0, r, dear)
    earned = choose_threshold(probability, some, days, weights).value
    assert choose_threshold(probability, some, days, weights, y=y).value > earned + 0.05


def test_a_search_with_much_data_finds_break_even():
    probability, r, days, weights = draw(100_000, seed=2)
    best = choose_threshold(
        probability, r, days, weights, ThresholdSettings(rule="utility", errors=0.0)
    )
    assert best.value == pytest.approx(LOSS / (WIN + LOSS), abs=0.05)
    kind = choose_threshold(probability, r, days, weights, SEARCH)
    assert kind.value <= best.value
    assert kind.accepted_share >= best.accepted_share


def test_on_noise_that_earns_nothing_the_search_accepts_nearly_all():
    shares = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        probability = 0.45 + 0.02 * rng.standard_normal(600)
        r = np.where(rng.random(600) < LOSS / (WIN + LOSS), WIN, -LOSS)
        chosen = choose_threshold(probability, r, np.arange(600) // 10, np.ones(600), SEARCH)
        shares.append(chosen.accepted_share)
    assert np.mean(shares) > 0.8
    assert np.median(shares) > 0.9


def test_a_clustered_day_is_one_piece_of_evidence():
    probability, r, _, _ = draw(50, seed=3)
    copies = (np.repeat(column, 20) for column in (probability, r))
    many = choose_threshold(*copies, np.repeat(np.arange(50), 20), np.ones(1_000), SEARCH)
    once = choose_threshold(
        probability, r, np.arange(50), np.ones(50), ThresholdSettings("utility", accepted_min=2)
    )
    assert many.error == pytest.approx(once.error, rel=0.2)


def test_no_candidate_accepts_fewer_than_the_floor_but_all():
    probability, r, days, weights = draw(400, seed=4)
    curve = utility_curve(probability, r, days, weights, accepted_min=100)
    accepted = (probability[:, None] >= curve.threshold).sum(axis=0)
    assert accepted.min() >= 100
    assert accepted.max() == 400
    few = utility_curve(probability[:20], r[:20], days[:20], weights[:20], accepted_min=100)
    assert (probability[:20, None] >= few.threshold).all()


def test_the_curve_is_what_each_candidate_would_have_earned():
    probability, r, days, weights = draw(3_000, seed=5)
    curve = utility_curve(probability, r, days, weights)
    assert curve.threshold.size <= CANDIDATES_MAX
    for number in (0, 17, 60, curve.threshold.size - 1):
        taken = probability >= curve.threshold[number]
        earned = np.where(taken, r, 0.0)
        assert curve.utility_r[number] == pytest.approx(np.average(earned, weights=weights))
        assert curve.accepted_share[number] == pytest.approx(np.average(taken, weights=weights))
    own = choose_threshold(probability, r, days, weights, SEARCH)
    at = int(np.searchsorted(curve.threshold, own.value))
    assert own.error == pytest.approx(curve.error[at])
    best = int(curve.utility_r.argmax())
    lead = np.where((probability >= own.value) & (probability < curve.threshold[best]), -r, 0.0)
    scaled = weights / weights.mean()
    by_day = np.bincount(days, weights=scaled * (lead - np.average(lead, weights=weights)))
    count = np.unique(days).size
    error = np.sqrt((by_day**2).sum() * count / (count - 1)) / probability.size
    assert curve.shortfall_error[at] == pytest.approx(error)


@pytest.mark.parametrize("errors", [0.0, 0.5, 1.0, 2.0])
def test_a_search_takes_the_lowest_threshold_within_the_errors_of_the_best(errors: float):
    probability, r, days, weights = draw(800, seed=9)
    settings = ThresholdSettings(rule="utility", accepted_min=1, errors=errors)
    chosen = choose_threshold(probability, r, days, weights, settings)
    curve = chosen.curve
    near = curve.utility_r.max() - curve.utility_r <= errors * curve.shortfall_error
    assert chosen.value == curve.threshold[near].min()
    # The error of a lead is less than that of what leads: two candidates share most trades.
    if errors == 1.0:
        wide = curve.utility_r.max() - curve.utility_r <= curve.error
        assert chosen.value > curve.threshold[wide].min()


@given(st.integers(0, 10_000), st.integers(2, 300), st.sampled_from(["break_even", "utility"]))
def test_neither_the_scale_of_weights_nor_the_order_of_rows_matters(seed, count, rule):
    probability, r, days, weights = draw(count, seed)
    settings = ThresholdSettings(rule=rule, accepted_min=5)
    chosen = choose_threshold(probability, r, days, weights, settings)
    scaled = choose_threshold(probability, r, days, 4.0 * weights, settings)
    order = np.random.default_rng(seed).permutation(count)
    moved = choose_threshold(probability[order], r[order], days[order], weights[order], settings)
    for other in (scaled, moved):
        assert other.value == pytest.approx(chosen.value, abs=1e-12)
        assert other.utility_r == pytest.approx(chosen.utility_r, abs=1e-12)
    assert 0.0 <= chosen.value <= 1.0


def test_one_day_has_no_error_and_everything_is_accepted_by_a_search():
    probability, r, _, weights = draw(200, seed=6)
    chosen = choose_threshold(probability, r, np.zeros(200, dtype=np.int64), weights, SEARCH)
    assert chosen.error == float("inf")
    assert (chosen.value, chosen.accepted_share) == (0.0, 1.0)


def test_no_outcome_and_an_open_one_are_refused():
    empty = np.empty(0)
    with pytest.raises(DataError, match="needs 1 outcome or more, was given 0"):
        choose_threshold(empty, empty, np.empty(0, dtype=np.int64), empty)
    probability, r, days, weights = draw(10, seed=7)
    r[3] = np.nan
    with pytest.raises(DataError, match="r_multiple must be finite, was not in 1 of 10 outcomes"):
        choose_threshold(probability, r, days, weights)
