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


def test_columns_that_are_never_known_change_nothing_about_the_others():
    """As the context's are where a run asks for none: models are what they were without them."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 8)).astype(np.float32)
    x[rng.random(x.shape) < 0.02] = np.nan
    wide = np.full((200, 22), np.nan, dtype=np.float32)
    places = np.array([0, 1, 4, 5, 6, 13, 20, 21])
    wide[:, places] = x
    kept = usable_columns(x)
    assert 0 < len(kept) <= 8
    assert usable_columns(wide).tolist() == places[kept].tolist()
