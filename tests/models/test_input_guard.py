"""The guard keeps its budget on rows like training and catches rows that are not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.input_guard import GuardedRow, InputGuard, fit_input_guard
from streams import layer_a
from streams.errors import ModelError, ModelRefused

COLUMNS = 12


def market_rows(count: int, seed: int) -> np.ndarray:
    """Columns as features are: normal, heavy-tailed, skewed, flags, counts, correlated."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal(count)
    columns = [
        rng.standard_normal(count),
        rng.standard_t(3, count) * 0.01,
        rng.lognormal(0.0, 1.0, count),
        rng.uniform(0.0, 100.0, count),
        common + 0.3 * rng.standard_normal(count),
        0.5 * common + 0.3 * rng.standard_normal(count),
        rng.choice([-1.0, 1.0], count),
        (rng.random(count) < 0.3).astype(float),
        (rng.random(count) < 0.03).astype(float),
        rng.poisson(1.5, count).astype(float),
        np.ones(count),
        np.full(count, 1e-3),
    ]
    return np.column_stack(columns).astype(np.float32)


def rejected(guard: InputGuard, rows: np.ndarray) -> float:
    guarded = GuardedRow(guard)
    return float(np.mean([not guarded.accepts(row) for row in rows]))


@pytest.fixture(scope="module")
def guard() -> InputGuard:
    return fit_input_guard(market_rows(2_000, 1))


@pytest.mark.parametrize("budget", [0.01, 0.05])
def test_rows_like_training_are_rejected_about_as_often_as_the_budget_says(budget):
    rates = [
        rejected(fit_input_guard(market_rows(1_000, seed), budget), market_rows(2_000, 100 + seed))
        for seed in range(8)
    ]
    assert 0.6 * budget < np.mean(rates) < 1.4 * budget


def test_a_small_sample_keeps_the_budget_too():
    rates = [
        rejected(fit_input_guard(market_rows(150, seed)), market_rows(500, 200 + seed))
        for seed in range(20)
    ]
    assert np.mean(rates) < 0.018


@pytest.mark.parametrize("count", [300, 500, 1_000])
def test_forty_columns_of_a_known_law_keep_the_budget(count: int):
    """Rows that measured themselves would reject up to 1.6 %, the more columns the more."""

    def drawn(rows: int, seed: int) -> np.ndarray:
        return layer_a.draw(np.random.default_rng(seed), rows).features.astype(np.float32)

    rates = [
        rejected(fit_input_guard(drawn(count, seed)), drawn(2_000, 1_000 + seed))
        for seed in range(20)
    ]
    assert 0.005 < np.mean(rates) <= 0.011


def test_one_value_far_out_is_caught_in_any_column(guard):
    rows = market_rows(300, 7)
    far = np.array(guard.center) + 60.0 * np.array(guard.scale)
    for column in range(COLUMNS):
        strange = rows.copy()
        strange[:, column] = far[column]
        assert rejected(guard, strange) == 1.0, f"column {column}"


def test_many_values_a_little_out_are_caught_together(guard):
    rows = market_rows(500, 8)
    shifted = rows + 1.0 * np.array(guard.scale, dtype=np.float32)
    one = rows.copy()
    one[:, 0] += guard.scale[0]
    assert rejected(guard, shifted) > 0.9
    assert rejected(guard, one) < 0.2


@pytest.mark.parametrize("width", [1, 7, 8, 9, 40, 128, 129, 136, 257, 600])
def test_a_row_is_measured_bit_for_bit_as_numpy_measures_it(width: int):
    rng = np.random.default_rng(width)
    center, scale = rng.normal(size=width), rng.uniform(0.01, 10.0, size=width)
    guarded = GuardedRow(InputGuard(tuple(center), tuple(scale), 3.0, 1.0))
    for row in rng.normal(scale=5.0, size=(50, width)).astype(np.float32):
        z = np.abs((row - center) * (1.0 / scale))
        assert guarded.distance(row) == max(z.max() / 3.0, np.add.reduce(z) / width / 1.0)


def test_a_row_of_another_width_is_told(guard):
    with pytest.raises(ModelError, match="for 12 values, not 3"):
        GuardedRow(guard).accepts(np.zeros(3, dtype=np.float32))


def test_values_of_another_unit_are_caught(guard):
    assert rejected(guard, market_rows(300, 9) * np.float32(100.0)) == 1.0


def test_flags_and_counts_raise_no_false_alarm(guard):
    row = np.array(guard.center, dtype=np.float32)
    guarded = GuardedRow(guard)
    for column, values in ((6, (-1, 1)), (7, (0, 1)), (8, (0, 1)), (9, (0, 1, 2, 3, 4, 5))):
        for value in values:
            row[column] = value
            assert guarded.accepts(row), (column, value)
        row[column] = guard.center[column]


def test_a_constant_may_differ_by_rounding_only(guard):
    row = np.array(guard.center, dtype=np.float32)
    guarded = GuardedRow(guard)
    row[10] = np.nextafter(np.float32(1.0), np.float32(2.0))
    assert guarded.accepts(row)
    row[10] = -1.0
    assert not guarded.accepts(row)


def test_rows_that_are_all_alike_make_a_guard_of_that_row():
    rows = np.full((200, 3), 7.0, dtype=np.float32)
    guarded = GuardedRow(fit_input_guard(rows))
    assert guarded.accepts(rows[0])
    assert not guarded.accepts(rows[0] + np.float32(0.1))


@given(
    st.lists(st.floats(width=32), min_size=COLUMNS, max_size=COLUMNS),
    st.integers(0, COLUMNS - 1),
    st.sampled_from([np.nan, np.inf, -np.inf]),
)
def test_a_row_with_nan_or_infinity_is_never_accepted(values, place, bad):
    row = np.array(values, dtype=np.float32)
    row[place] = bad
    assert not GuardedRow(fit_input_guard(market_rows(200, 1))).accepts(row)


def test_the_rows_it_was_fitted_on_are_accepted_up_to_the_budget(guard):
    assert rejected(guard, market_rows(2_000, 1)) <= 0.01


def test_the_order_of_the_training_rows_does_not_matter(guard):
    rows = market_rows(2_000, 1)
    assert fit_input_guard(rows[::-1]) == guard


def test_too_few_rows_for_the_budget_make_no_guard():
    assert fit_input_guard(market_rows(98, 1)) is None
    assert fit_input_guard(market_rows(99, 1)) is not None


@pytest.mark.parametrize("rows", [np.zeros((0, 3)), np.zeros(5), np.array([[1.0, np.nan]] * 200)])
def test_rows_that_cannot_be_used_are_told(rows):
    with pytest.raises(ModelError, match="fitted on finite rows"):
        fit_input_guard(rows.astype(np.float32))


@pytest.mark.parametrize("budget", [0.0, 1.0, -1.0, float("nan")])
def test_a_budget_that_is_no_probability_is_told(budget):
    with pytest.raises(ModelError, match=r"budget must be in \(0, 1\)"):
        fit_input_guard(market_rows(200, 1), budget)


def test_a_guard_fits_the_model_it_is_for(guard):
    guard.check(COLUMNS)
    with pytest.raises(ModelRefused, match="covers 12 features, the model has 3"):
        guard.check(3)
