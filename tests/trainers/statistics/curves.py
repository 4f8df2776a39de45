"""Equity curves of business days."""

import numpy as np

from trainers.statistics.equity_curve import DAY_NS, EquityCurve, equity_curve

START_TS = 1_577_912_400_000_000_000  # 2020-01-01, 21:00 UTC, a Wednesday


def business_days(count: int) -> np.ndarray:
    """The first `count` weekdays from 2020-01-01, UTC nanoseconds."""
    days = np.arange(count * 7 // 5 + 7)
    return START_TS + days[(days + 2) % 7 < 5][:count] * DAY_NS


def curve_of(*equity: float) -> EquityCurve:
    return equity_curve(business_days(len(equity)), np.array(equity, dtype=np.float64))


def curve_of_returns(returns: np.ndarray, capital: float = 100_000.0) -> EquityCurve:
    equity = capital * np.cumprod(np.concatenate(([1.0], 1.0 + returns)))
    return equity_curve(business_days(len(equity)), equity)
