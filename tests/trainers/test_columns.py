"""Columns are chosen on what the fold has seen."""

import numpy as np

from trainers.columns import complete_rows, usable_columns


def test_constant_and_mostly_unknown_columns_are_left_out():
    x = np.random.default_rng(1).normal(size=(100, 4)).astype(np.float32)
    x[:, 1] = 3.0
    x[:20, 2] = np.nan
    x[:5, 3] = np.nan
    columns = usable_columns(x)
    assert columns.tolist() == [0, 3]
    assert complete_rows(x, columns).sum() == 95


def test_an_empty_fold_has_no_columns():
    assert usable_columns(np.empty((0, 3), dtype=np.float32)).size == 0


def test_a_column_that_is_constant_but_for_unknowns_is_left_out():
    x = np.ones((50, 1), dtype=np.float32)
    x[0] = np.nan
    assert usable_columns(x).size == 0


def test_columns_unknown_in_different_rows_do_not_use_up_the_rows_together():
    """Ten columns, each unknown in its own 8 % of the rows: taken together they leave 20 %."""
    x = np.random.default_rng(1).normal(size=(100, 12)).astype(np.float32)
    for column in range(10):
        x[8 * column : 8 * column + 8, column] = np.nan
    columns = usable_columns(x)
    assert columns.tolist() == [0, 10, 11]
    assert complete_rows(x, columns).sum() == 92


def test_columns_unknown_in_the_same_rows_are_all_kept():
    x = np.random.default_rng(1).normal(size=(100, 12)).astype(np.float32)
    x[:8, :10] = np.nan
    x[:4, 10] = np.nan
    assert usable_columns(x).size == 12
