"""What an equity curve and its trades are worth, in the field's own figures.

A figure that is not defined (no trades, one row, an equity that never moves) is None, never NaN
or infinite, so that a report can be written as JSON. The kurtosis is raw: 3 for a normal law.
"""

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.errors import ConfigError
from trainers.statistics.closed_trades import ClosedTrades, longest_losing_streak, no_trades
from trainers.statistics.drawdown import Drawdown, maximum_drawdown
from trainers.statistics.equity_curve import EquityCurve

FLAT = 1e-9
"""Returns whose deviation is below this share of the largest return do not vary: rounding."""

Floats = NDArray[np.float64]


class Performance(msgspec.Struct, frozen=True):
    """The figures of one backtest. Shares and returns are plain numbers: .05 is 5 %.

    Of the curve: `total_return`, `cagr` (compound growth per year of 365.25 days), `volatility`,
    `sharpe_ratio`, `sortino_ratio` (target 0, downside deviation over all periods), all three
    annualised by `periods_per_year`; `calmar_ratio`, cagr / max_drawdown; `max_drawdown` in
    [0, 1] and `drawdown`, when it was; `t_statistic` of the mean period return, `skew` and
    `kurtosis` (raw) of the `periods` period returns; `exposure`, the share of instants with a
    position; `gross_exposure`, its mean size over equity; `turnover`, the value traded per year
    over the mean equity; `is_ruined`, whether the equity ever reached 0.

    Of the trades: `trades`, `trades_per_year`, `hit_rate` (net profit above 0), `profit_factor`,
    `gross_profit` and `gross_loss` (<= 0), `average_win` and `average_loss` (<= 0) in currency,
    `expectancy_r` and `median_r`, mean and median R-multiple, `longest_losing_streak`.
    """

    started_ts: int
    ended_ts: int
    years: float
    periods: int
    periods_per_year: float
    start_equity: float
    end_equity: float
    is_ruined: bool
    total_return: float
    cagr: float | None
    volatility: float | None
    sharpe_ratio: float | None
    sortino_ratio: float | None
    calmar_ratio: float | None
    max_drawdown: float
    drawdown: Drawdown
    t_statistic: float | None
    skew: float | None
    kurtosis: float | None
    exposure: float
    gross_exposure: float
    turnover: float | None
    trades: int
    trades_per_year: float | None
    hit_rate: float | None
    profit_factor: float | None
    gross_profit: float
    gross_loss: float
    average_win: float | None
    average_loss: float | None
    expectancy_r: float | None
    median_r: float | None
    longest_losing_streak: int

    @property
    def period_sharpe(self) -> float | None:
        """The Sharpe ratio per period, which the deflated Sharpe ratio is asked about."""
        if self.sharpe_ratio is None:
            return None
        return self.sharpe_ratio / math.sqrt(self.periods_per_year)


class Moments(msgspec.Struct, frozen=True):
    """Mean, deviation (n - 1), skew and raw kurtosis of returns; None where not defined."""

    mean: float | None
    deviation: float | None
    skew: float | None
    kurtosis: float | None

    @property
    def sharpe(self) -> float | None:
        """Mean / deviation, per period; None where the returns do not vary."""
        return _ratio(self.mean, self.deviation)


def moments_of(returns: Floats) -> Moments:
    """Return the moments of `returns` (n,). Those that do not vary have a deviation of 0."""
    if not returns.size:
        return Moments(None, None, None, None)
    mean = float(returns.mean())
    if returns.size < 2:
        return Moments(mean, None, None, None)
    # Scaled by the largest, so that neither huge nor tiny returns leave the range of floats.
    scale = float(np.abs(returns).max())
    centred = (returns - mean) / scale if scale else returns
    # Products, as general powers take twenty times as long.
    squared = centred * centred
    variance = float(np.mean(squared))
    if variance**0.5 <= FLAT:
        return Moments(mean, 0.0, None, None)
    return Moments(
        mean,
        scale * float((variance * returns.size / (returns.size - 1)) ** 0.5),
        float(np.mean(squared * centred)) / variance**1.5,
        float(np.mean(squared * squared)) / variance**2,
    )


def performance_of(
    curve: EquityCurve,
    trades: ClosedTrades | None = None,
    *,
    periods_per_year: float | None = None,
) -> Performance:
    """Return the figures of `curve` and of the closed `trades` that made it.

    `periods_per_year` overrides what the curve's instants say. Raises ConfigError unless it is
    above 0.
    """
    if periods_per_year is not None and not 0.0 < periods_per_year < float("inf"):
        raise ConfigError(f"periods_per_year must be above 0, was {periods_per_year}")
    annual = periods_per_year or curve.periods_per_year
    closed = trades if trades is not None else no_trades()
    values = curve.values
    moments = moments_of(curve.returns)
    root, count = annual**0.5, curve.returns.size
    cagr, drawdown = _cagr(curve), maximum_drawdown(curve)
    downside = float(np.sqrt(np.mean(np.minimum(curve.returns, 0.0) ** 2))) if count else None
    held = values > 0.0
    return Performance(
        started_ts=int(curve.ts[0]),
        ended_ts=int(curve.ts[-1]),
        years=curve.years,
        periods=count,
        periods_per_year=annual,
        start_equity=float(values[0]),
        end_equity=float(values[-1]),
        is_ruined=curve.is_ruined,
        total_return=float(values[-1] / values[0]) - 1.0,
        cagr=cagr,
        volatility=_times(moments.deviation, root),
        sharpe_ratio=_times(moments.sharpe, root),
        sortino_ratio=_times(_ratio(moments.mean, downside), root),
        calmar_ratio=_ratio(cagr, drawdown.depth),
        max_drawdown=drawdown.depth,
        drawdown=drawdown,
        t_statistic=_times(moments.sharpe, count**0.5),
        skew=moments.skew,
        kurtosis=moments.kurtosis,
        exposure=float(np.mean(curve.gross_exposure > 0.0)),
        gross_exposure=float(np.mean(curve.gross_exposure[held] / values[held])),
        turnover=_ratio(float(curve.traded.sum()), curve.years * float(values.mean())),
        **_trade_figures(closed, curve.years),
    )


def _trade_figures(trades: ClosedTrades, years: float) -> dict[str, Any]:
    pnl = trades.pnl_net
    wins, losses = pnl[pnl > 0.0], pnl[pnl < 0.0]
    profit, loss = float(wins.sum()), float(losses.sum())
    return {
        "trades": len(trades),
        "trades_per_year": _ratio(len(trades), years),
        "hit_rate": _ratio(wins.size, len(trades)),
        "profit_factor": _ratio(profit, -loss),
        "gross_profit": profit,
        "gross_loss": loss,
        "average_win": _ratio(profit, wins.size),
        "average_loss": _ratio(loss, losses.size),
        "expectancy_r": float(trades.r_multiple.mean()) if len(trades) else None,
        "median_r": float(np.median(trades.r_multiple)) if len(trades) else None,
        "longest_losing_streak": longest_losing_streak(trades.by_exit),
    }


def _cagr(curve: EquityCurve) -> float | None:
    """Growth per year; None for one row, or where a short span makes it no number."""
    if len(curve) < 2:
        return None
    with np.errstate(over="ignore"):
        growth = float(np.float64(curve.values[-1] / curve.values[0]) ** (1.0 / curve.years)) - 1.0
    return growth if np.isfinite(growth) else None


def _ratio(numerator: float | None, denominator: float | None) -> float | None:
    if numerator is None or not denominator:
        return None
    ratio = numerator / denominator
    return ratio if np.isfinite(ratio) else None


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
