"""Rank correlations are scipy's, exact, and blind to everything but order."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr

from trainers.selection.rank_correlation import centred_ranks, rank_correlation


def drawn(rows: int, columns: int, decimals: int = 6, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((rows, 1))
    return (shared + rng.standard_normal((rows, columns))).round(decimals).astype(np.float32)


@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_ranks_with_ties_are_averages(decimals: int):
    x = drawn(200, 5, decimals)
    expected = 2.0 * rankdata(x, axis=0).T - 201.0
    assert (centred_ranks(x) == expected).all()


def test_zeros_of_either_sign_are_one_value():
    x = np.array([[0.0], [-0.0], [1.0]], dtype=np.float32)
    assert centred_ranks(x).tolist() == [[-1.0, -1.0, 2.0]]


@pytest.mark.parametrize("decimals", [0, 6])
def test_correlations_are_those_of_scipy(decimals: int):
    x = drawn(300, 7, decimals)
    assert np.abs(rank_correlation(x) - spearmanr(x).statistic).max() < 1e-12


def test_the_textbook_example_without_ties_is_minus_29_of_165():
    # The hours of television and the intelligence quotients of ten people.
    iq = [106, 100, 86, 101, 99, 103, 97, 113, 112, 110]
    hours = [7, 27, 2, 50, 28, 29, 20, 12, 6, 17]
    x = np.array([iq, hours], dtype=np.float32).T
    assert rank_correlation(x)[0, 1] == round(-29.0 / 165.0, 12)


def test_copies_correlate_exactly_and_stepped_transforms_change_no_digit():
    x = drawn(500, 4, decimals=1)
    bent = np.stack((np.exp(x[:, 0]), -x[:, 1], x[:, 2] * 2.0**40, x[:, 3] ** 3), axis=1)
    both = rank_correlation(np.concatenate((x, bent.astype(np.float32)), axis=1))
    assert np.abs(both[[0, 1, 2, 3], [4, 5, 6, 7]]).tolist() == [1.0] * 4
    assert (np.abs(both[4:, 4:]) == np.abs(both[:4, :4])).all()
    assert both[1, 5] == -1.0


def test_a_column_that_does_not_vary_correlates_with_nothing():
    x = drawn(50, 3)
    x[:, 1] = 7.0
    rho = rank_correlation(x)
    assert np.isnan(rho[1]).all()
    assert np.isnan(rho[:, 1]).all()
    assert np.isfinite(rho[np.ix_([0, 2], [0, 2])]).all()


def test_the_order_of_rows_changes_no_digit():
    x = drawn(400, 6, decimals=1)
    shuffled = x[np.random.default_rng(1).permutation(400)]
    assert (rank_correlation(shuffled) == rank_correlation(x)).all()
