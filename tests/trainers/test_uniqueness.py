"""Weights count news, not rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainers.uniqueness import average_uniqueness, sample_weights


def ints(*values: int):
    return np.array(values, dtype=np.int64)


def test_a_span_half_shared_is_three_quarters_unique():
    # Instants 0, 10, 20, 30; both spans are open at 10 and 20.
    assert np.allclose(average_uniqueness(ints(0, 10), ints(20, 30)), [2 / 3, 2 / 3])
    assert np.allclose(average_uniqueness(ints(0, 10), ints(5, 30)), [1.0, 1.0])


def test_it_is_lopez_de_prados_example():
    """Advances in Financial Machine Learning, chapter 4: labels over returns 1-3, 3-4 and 5-6.

    The book has 5/6 for the first, where return 2 counts too; here nothing begins or ends at it.
    """
    assert average_uniqueness(ints(1, 3, 5), ints(3, 4, 6)) == pytest.approx([3 / 4, 3 / 4, 1.0])
    book = ints(1, 3, 5, 2), ints(3, 4, 6, 2)  # With a label of return 2 alone, it counts.
    assert average_uniqueness(*book) == pytest.approx([2 / 3, 3 / 4, 1.0, 1 / 2])


def test_a_day_of_many_signals_weighs_as_much_as_a_day_of_one():
    symbols = np.array(["A", "B", "C", "D"])
    weights = sample_weights(symbols, ints(1, 1, 1, 2), ints(1, 1, 1, 9), ints(2, 2, 2, 10))
    assert np.isclose(weights[:3].sum(), weights[3])
    assert np.isclose(weights.mean(), 1.0)


def test_overlapping_trades_of_one_symbol_share_their_weight():
    weights = sample_weights(
        np.array(["A", "A", "B"]), ints(1, 2, 3), ints(10, 10, 10), ints(20, 20, 20)
    )
    assert np.allclose(weights / weights[2], [0.5, 0.5, 1.0])


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9)), min_size=1, max_size=40))
def test_uniqueness_is_a_share_of_each_instant(drawn):
    start = ints(*(ts for ts, _ in drawn))
    end = start + ints(*(length for _, length in drawn))
    unique = average_uniqueness(start, end)
    assert ((unique > 0) & (unique <= 1 + 1e-12)).all()
    assert np.allclose(unique, slow_uniqueness(start, end))


def slow_uniqueness(start, end):
    instants = np.unique(np.concatenate((start, end)))
    covers = (start[:, None] <= instants) & (instants <= end[:, None])
    shares = covers / covers.sum(axis=0)
    return shares.sum(axis=1) / covers.sum(axis=1)
