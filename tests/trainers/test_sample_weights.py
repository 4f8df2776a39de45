"""Weights count news, and fade with age where they are told to."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainers.samples import noise_dataset
from trainers.dataset import DAY_NS
from trainers.sample_weights import WeightSettings, decay, effective_size, weights_of
from trainers.uniqueness import sample_weights

COUNT = 60


def random_samples(seed: int):
    """Samples of three symbols whose spans overlap as they like."""
    rng = np.random.default_rng(seed)
    samples = noise_dataset(COUNT, seed=1, columns=1)
    ts = np.sort(rng.integers(0, 20, COUNT)) * DAY_NS
    entry = ts + rng.integers(0, 2, COUNT) * DAY_NS
    exit_ts = entry + rng.integers(0, 8, COUNT) * DAY_NS
    symbols = rng.choice(np.array(["A", "B", "C"]), COUNT)
    return replace(samples, ts=ts, entry_ts=entry, exit_ts=exit_ts, symbols=symbols)


def test_the_default_is_uniqueness_over_the_signals_of_the_day():
    samples = random_samples(1)
    expected = sample_weights(samples.symbols, samples.days, samples.entry_ts, samples.exit_ts)
    assert (weights_of(samples) == expected).all()


def test_each_part_may_be_left_out():
    samples = random_samples(2)
    assert (weights_of(samples, WeightSettings(uniqueness=False, per_day=False)) == 1.0).all()
    _, day_of, counts = np.unique(samples.days, return_inverse=True, return_counts=True)
    by_day = weights_of(samples, WeightSettings(uniqueness=False))
    assert by_day * counts[day_of] == pytest.approx(np.full(COUNT, by_day[0] * counts[day_of[0]]))
    both = weights_of(samples, WeightSettings(per_day=False)) / counts[day_of]
    assert weights_of(samples) == pytest.approx(both / both.mean())


@given(st.integers(0, 1_000), st.sampled_from([None, 3.0, 500.0]))
def test_weights_have_mean_one_and_go_with_their_rows(seed: int, half_life_days):
    samples = random_samples(seed)
    settings = WeightSettings(half_life_days=half_life_days)
    weights = weights_of(samples, settings)
    assert (weights > 0.0).all()
    assert weights.mean() == pytest.approx(1.0)
    order = np.random.default_rng(seed).permutation(COUNT)
    assert weights_of(samples.take(order), settings) == pytest.approx(weights[order], abs=1e-12)


def test_a_weight_halves_exactly_at_the_half_life():
    known = np.array([0, 30, 60, 90], dtype=np.int64) * DAY_NS
    assert decay(known, half_life_days=30.0).tolist() == [0.125, 0.25, 0.5, 1.0]
    samples = replace(noise_dataset(4, seed=1, columns=1), exit_ts=known)
    settings = WeightSettings(uniqueness=False, per_day=False, half_life_days=30.0)
    weights = weights_of(samples, settings)
    assert weights[3] / weights == pytest.approx([8.0, 4.0, 2.0, 1.0])


def test_age_counts_from_when_a_label_closed_not_from_its_signal():
    samples = noise_dataset(2, seed=1, columns=1)
    late = replace(
        samples,
        ts=np.array([0, 9], dtype=np.int64) * DAY_NS,
        exit_ts=np.array([20, 10], dtype=np.int64) * DAY_NS,
    )
    settings = WeightSettings(uniqueness=False, per_day=False, half_life_days=10.0)
    assert weights_of(late, settings) == pytest.approx([4 / 3, 2 / 3])


def test_the_oldest_sample_keeps_some_weight():
    known = np.array([0, 30_000], dtype=np.int64) * DAY_NS
    assert decay(known, half_life_days=0.001).min() > 0.0


def test_age_and_overlap_are_counted_among_the_rows_given():
    samples = random_samples(3)
    past = samples.take(np.flatnonzero(samples.exit_ts < 12 * DAY_NS))
    assert 5 < len(past) < COUNT - 5
    age_days = (past.exit_ts.max() - past.exit_ts) / DAY_NS
    faded = weights_of(past) * 0.5 ** (age_days / 5.0)
    weights = weights_of(past, WeightSettings(half_life_days=5.0))
    assert weights == pytest.approx(faded / faded.mean())


def test_one_row_and_one_day():
    settings = WeightSettings(half_life_days=10.0)
    assert weights_of(noise_dataset(1, seed=1, columns=1), settings).tolist() == [1.0]
    day = noise_dataset(10, seed=1, columns=1)
    assert np.unique(day.days).size == 1
    assert weights_of(day, settings).tolist() == [1.0] * 10
    assert weights_of(day.take(np.arange(0)), settings).size == 0


def test_the_effective_size_is_kishs_over_rows_and_over_days():
    size = effective_size(np.array([1.0, 1.0, 2.0]), np.array([1, 1, 2]))
    assert size.rows == pytest.approx(16.0 / 6.0)
    assert size.days == pytest.approx(2.0)
    assert effective_size(5.0 * np.ones(7), np.arange(7)) == (7.0, 7.0)
    assert effective_size(np.empty(0), np.empty(0, dtype=np.int64)) == (0.0, 0.0)


def test_a_half_life_must_be_above_zero():
    with pytest.raises(msgspec.ValidationError, match="half_life_days"):
        msgspec.convert({"half_life_days": 0.0}, WeightSettings)
