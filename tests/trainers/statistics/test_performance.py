"""The figures of a backtest are the textbook's, and none of them is ever NaN."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from streams.errors import ConfigError, DataError
from tests.trainers.statistics.curves import START_TS, business_days, curve_of, curve_of_returns
from trainers.statistics.closed_trades import ClosedTrades
from trainers.statistics.equity_curve import DAY_NS, equity_curve
from trainers.statistics.performance import Performance, moments_of, performance_of

RETURNS = np.random.default_rng(3).standard_t(5, 750) * 0.01 + 0.0006


def trades_of(*pnl: float, r: float = 0.001) -> ClosedTrades:
    made = np.array(pnl, dtype=np.float64)
    ts = START_TS + np.arange(made.size) * DAY_NS
    return ClosedTrades(ts, made, made * r)


def test_ratios_are_those_of_the_returns():
    figures = performance_of(curve_of_returns(RETURNS))
    mean, deviation = RETURNS.mean(), RETURNS.std(ddof=1)
    root = math.sqrt(figures.periods_per_year)
    assert figures.volatility == pytest.approx(deviation * root)
    assert figures.sharpe_ratio == pytest.approx(mean / deviation * root)
    assert figures.period_sharpe == pytest.approx(mean / deviation)
    downside = math.sqrt(np.mean(np.minimum(RETURNS, 0.0) ** 2))
    assert figures.sortino_ratio == pytest.approx(mean / downside * root)
    assert figures.t_statistic == pytest.approx(stats.ttest_1samp(RETURNS, 0.0).statistic)
    assert figures.skew == pytest.approx(stats.skew(RETURNS))
    assert figures.kurtosis == pytest.approx(stats.kurtosis(RETURNS, fisher=False))
    assert figures.calmar_ratio == pytest.approx(figures.cagr / figures.max_drawdown)


def test_a_year_of_business_days_has_some_261_periods_and_may_be_told_252():
    curve = curve_of_returns(RETURNS)
    assert performance_of(curve).periods_per_year == pytest.approx(365.25 * 5 / 7, rel=0.005)
    told = performance_of(curve, periods_per_year=252.0)
    assert told.volatility == pytest.approx(RETURNS.std(ddof=1) * math.sqrt(252.0))
    assert told.cagr == performance_of(curve).cagr


def test_growth_is_by_calendar_years():
    ts = np.array([START_TS, START_TS + round(2 * 365.25) * DAY_NS])
    figures = performance_of(equity_curve(ts, np.array([100.0, 121.0])))
    assert figures.cagr == pytest.approx(0.10, abs=1e-4)
    assert figures.total_return == pytest.approx(0.21)


def test_the_deepest_drawdown_is_told_with_its_dates():
    curve = curve_of(100, 120, 120, 90, 110, 121, 115, 130)
    drawdown = performance_of(curve).drawdown
    days = business_days(8).tolist()
    assert drawdown.depth == pytest.approx(0.25)
    assert (drawdown.peak_ts, drawdown.trough_ts, drawdown.recovery_ts) == (
        days[2],
        days[3],
        days[5],
    )
    assert drawdown.duration_days == (days[5] - days[2]) / DAY_NS


def test_a_drawdown_that_lasts_has_no_recovery_and_counts_to_the_end():
    curve = curve_of(100, 80, 90, 95)
    drawdown = performance_of(curve).drawdown
    assert drawdown.recovery_ts is None
    assert drawdown.duration_days == (curve.ts[-1] - curve.ts[0]) / DAY_NS


def test_trades_are_counted_in_money_and_in_risk():
    figures = performance_of(curve_of(100, 110), trades_of(300, -100, -50, 0, -150, 200))
    assert (figures.trades, figures.hit_rate) == (6, pytest.approx(2 / 6))
    assert figures.profit_factor == pytest.approx(500 / 300)
    assert (figures.average_win, figures.average_loss) == (250.0, -100.0)
    assert figures.expectancy_r == pytest.approx(200 * 0.001 / 6)
    assert figures.median_r == pytest.approx(-0.025)
    assert figures.longest_losing_streak == 2


def test_a_losing_streak_is_by_exit_and_not_by_the_order_of_the_rows():
    trades = trades_of(-1, 2, -1, 2)
    mixed = ClosedTrades(np.array([1, 3, 2, 4]), trades.pnl_net, trades.r_multiple)
    assert performance_of(curve_of(100, 110), mixed).longest_losing_streak == 2


def test_exposure_and_turnover():
    ts = START_TS + np.arange(5) * round(365.25 / 4 * DAY_NS)
    held, traded = np.array([0.0, 50, 150, 0, 0]), np.array([0.0, 50, 90, 100, 0])
    curve = equity_curve(ts, np.full(5, 100.0), held, traded)
    figures = performance_of(curve, trades_of(1, 1))
    assert figures.exposure == pytest.approx(0.4)
    assert figures.gross_exposure == pytest.approx(0.4)
    assert figures.turnover == pytest.approx(2.4)
    assert figures.trades_per_year == pytest.approx(2.0)


def test_ruin_ends_the_curve_whatever_stands_behind_it():
    figures = performance_of(curve_of(100, 400, -20, 900, 1_000))
    assert figures.is_ruined
    assert (figures.total_return, figures.cagr, figures.max_drawdown) == (-1.0, -1.0, 1.0)
    assert figures.end_equity == 0.0


def test_an_equity_that_never_moves_has_no_ratios():
    figures = performance_of(curve_of(100, 100, 100))
    assert (figures.total_return, figures.cagr, figures.volatility) == (0.0, 0.0, 0.0)
    assert figures.sharpe_ratio is figures.sortino_ratio is figures.calmar_ratio is None
    assert figures.max_drawdown == 0.0
    assert figures.profit_factor is figures.expectancy_r is figures.hit_rate is None


def test_an_equity_that_grows_by_the_same_each_day_has_no_sharpe_ratio():
    figures = performance_of(curve_of_returns(np.full(300, 0.001)))
    assert figures.sharpe_ratio is None
    assert figures.volatility == 0.0
    assert figures.cagr > 0.2


def test_a_single_row_is_no_accident():
    figures = performance_of(curve_of(100))
    assert (figures.periods, figures.periods_per_year, figures.cagr) == (0, 0.0, None)
    assert figures.sharpe_ratio is figures.volatility is figures.turnover is None


@example([2.225073858507e-313, 1.0], [], 1)
@given(
    st.lists(st.floats(-1e12, 1e12), min_size=0, max_size=30),
    st.lists(st.floats(-1e9, 1e9), max_size=8),
    st.integers(1, 400 * DAY_NS),
)
def test_every_figure_is_finite_or_none_and_survives_json(equity, pnl, step_ns):
    ts = START_TS + np.arange(len(equity) + 1) * step_ns
    curve = equity_curve(ts, np.array([1_000.0, *equity]))
    figures = performance_of(curve, trades_of(*pnl))
    for name, value in msgspec.to_builtins(figures).items():
        assert value is None or isinstance(value, dict) or math.isfinite(value), name
    assert msgspec.json.decode(msgspec.json.encode(figures), type=Performance) == figures


@given(st.floats(1e-6, 1e6))
def test_the_currency_of_an_account_changes_no_ratio(factor: float):
    curve = curve_of_returns(RETURNS[:60])
    figures = performance_of(equity_curve(curve.ts, curve.equity * factor))
    plain = performance_of(curve)
    for name in ("sharpe_ratio", "sortino_ratio", "calmar_ratio", "cagr", "max_drawdown"):
        assert getattr(figures, name) == pytest.approx(getattr(plain, name), rel=1e-6)


def test_moments_of_huge_and_tiny_returns_keep_their_shape():
    for factor in (1e-150, 1e150):
        moments = moments_of(RETURNS * factor)
        assert moments.sharpe == pytest.approx(moments_of(RETURNS).sharpe)
        assert moments.kurtosis == pytest.approx(moments_of(RETURNS).kurtosis)


@pytest.mark.parametrize(
    ("equity", "message"),
    [
        ([100.0, math.nan], "equity must be finite, was nan at row 1"),
        ([0.0, 1.0], "begins with a value above 0"),
        ([], "begins with a value above 0"),
    ],
)
def test_a_curve_that_is_none_is_refused(equity, message: str):
    with pytest.raises(DataError, match=message):
        equity_curve(business_days(len(equity)), np.array(equity))


def test_instants_that_do_not_ascend_and_columns_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="ts must ascend, row 2 does not"):
        equity_curve(np.array([1, 2, 2]), np.ones(3))
    with pytest.raises(DataError, match="one value per instant"):
        equity_curve(np.array([1, 2, 3]), np.ones(2))
    with pytest.raises(DataError, match="gross_exposure and traded must be >= 0"):
        equity_curve(np.array([1, 2]), np.ones(2), np.array([0.0, -1.0]))


def test_open_trades_are_refused():
    with pytest.raises(DataError, match="r_multiple must be finite, was nan at trade 1"):
        ClosedTrades(np.arange(2), np.ones(2), np.array([1.0, math.nan]))


def test_a_year_without_periods_is_refused():
    with pytest.raises(ConfigError, match="periods_per_year must be above 0, was 0"):
        performance_of(curve_of(1, 2), periods_per_year=0.0)
