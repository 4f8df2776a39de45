"""The table of returns by calendar month."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.statistics.equity_curve import equity_curve

MONTHS = 12


class MonthlyReturns(NamedTuple):
    """`years` int64 (y,), every year from the first to the last; `returns` float64 (y, 12), NaN
    for a month without an instant; `totals` float64 (y,), the returns of the years, NaN likewise.
    """

    years: NDArray[np.int64]
    returns: NDArray[np.float64]
    totals: NDArray[np.float64]


def monthly_returns(ts: NDArray[np.int64], equity: NDArray[np.float64]) -> MonthlyReturns:
    """Return the returns of each UTC month and year; they compound to the total return.

    A month's return is its last equity over the last one before it, the first month's over the
    first row. An instant belongs to the nanosecond before it: a bar that closes at midnight is
    the old day's. A month after ruin returns 0. Errors as EquityCurve.
    """
    curve = equity_curve(ts, equity)
    months = (curve.ts - 1).astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
    first_year = 1970 + int(months[0]) // MONTHS
    years = np.arange(first_year, 1970 + int(months[-1]) // MONTHS + 1)
    slots = months - (first_year - 1970) * MONTHS
    returns = np.full(years.size * MONTHS, np.nan)
    totals = np.full(years.size, np.nan)
    for table, of_row in ((returns, slots), (totals, slots // MONTHS)):
        lasts = np.flatnonzero(np.diff(of_row, append=of_row[-1] + 1))
        ends = curve.values[lasts]
        before = np.concatenate((curve.values[:1], ends[:-1]))
        alive = before > 0.0
        table[of_row[lasts]] = np.where(alive, ends / np.where(alive, before, 1.0) - 1.0, 0.0)
    return MonthlyReturns(years, returns.reshape(-1, MONTHS), totals)
