"""Months and years compound to what the curve made."""

import numpy as np
import pytest

from tests.trainers.statistics.curves import curve_of_returns
from tests.trainers.statistics.test_performance import RETURNS
from trainers.statistics.monthly_returns import monthly_returns


def instants(*days: str) -> np.ndarray:
    return np.array(days, dtype="datetime64[ns]").astype(np.int64)


def test_months_and_years_compound_to_the_total():
    curve = curve_of_returns(RETURNS)
    table = monthly_returns(curve.ts, curve.equity)
    total = curve.equity[-1] / curve.equity[0]
    assert table.years.tolist() == [2020, 2021, 2022]
    assert np.nanprod(1.0 + table.returns) == pytest.approx(total)
    assert np.prod(1.0 + table.totals) == pytest.approx(total)
    for year in range(3):
        assert np.nanprod(1.0 + table.returns[year]) == pytest.approx(1.0 + table.totals[year])


def test_a_month_is_its_last_equity_over_the_last_before():
    ts = instants("2020-11-30", "2020-12-10", "2020-12-31", "2021-02-01T16:00")
    table = monthly_returns(ts, np.array([100.0, 90.0, 110.0, 121.0]))
    assert table.returns[0, 10:] == pytest.approx([0.0, 0.10])
    assert np.isnan(table.returns[0, :10]).all()
    assert np.isnan(table.returns[1, 0])
    assert table.returns[1, 1] == pytest.approx(0.10)
    assert table.totals == pytest.approx([0.10, 0.10])


def test_a_close_at_midnight_belongs_to_the_old_day():
    ts = instants("2020-12-31", "2021-01-01T00:00")
    table = monthly_returns(ts, np.array([100.0, 105.0]))
    assert table.years.tolist() == [2020]
    assert table.returns[0, 11] == pytest.approx(0.05)


def test_a_year_without_an_instant_is_a_row_without_a_return():
    table = monthly_returns(instants("2019-06-03", "2021-06-03"), np.array([100.0, 50.0]))
    assert table.years.tolist() == [2019, 2020, 2021]
    assert np.isnan(table.totals[1])
    assert table.totals[2] == pytest.approx(-0.5)


def test_after_ruin_nothing_more_is_made():
    ts = instants("2020-01-02", "2020-02-03", "2020-03-02")
    table = monthly_returns(ts, np.array([100.0, -5.0, 70.0]))
    assert table.returns[0, :3].tolist() == [0.0, -1.0, 0.0]
