"""On which days a market is open: by rule, without a table to keep up.

us_equity follows the NYSE's holidays since 1971 and its unplanned closings; futures and fx are
expected on its trading days and on other weekdays but Christmas and New Year respectively; crypto
every day. A day in doubt, as any before 1970, is taken as closed, so that no gap is told of where
there may be none.
Source: NYSE, "Holidays and Trading Hours"; special closings from NYSE's list of past closings.
"""

import datetime
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

FIRST_YEAR, LAST_YEAR = 1970, 2100
MONDAY, THURSDAY = 0, 3
_EPOCH = datetime.date(1970, 1, 1)
_SINCE = {"king": 1998, "juneteenth": 2022}
_LAST_ELECTION_DAY_YEAR = 1980
_UNPLANNED = (
    "1972-12-28", "1973-01-25", "1977-07-14", "1985-09-27", "1994-04-27", "2001-09-11",
    "2001-09-12", "2001-09-13", "2001-09-14", "2004-06-11", "2007-01-02", "2012-10-29",
    "2012-10-30", "2018-12-05", "2025-01-09",
)  # fmt: skip


def is_trading_day(session: str, days: Ints) -> NDArray[np.bool_]:
    """Return whether `session` trades on days (int64, since 1970-01-01), of the same shape."""
    days = np.asarray(days, dtype=np.int64)
    if session == "crypto":
        return np.ones(days.shape, dtype=np.bool_)
    # 1970-01-01 was a Thursday.
    is_weekday = (days >= 0) & ((days + THURSDAY) % 7 < 5)
    closed: NDArray[np.bool_] = np.isin(days, _closed_days(session))
    return is_weekday & ~closed


@lru_cache(maxsize=8)
def _closed_days(session: str) -> Ints:
    years = range(FIRST_YEAR, LAST_YEAR + 1)
    found = [day for year in years for day in _fixed_days(year)]
    if session != "fx":
        found += [day for year in years for day in nyse_holidays(year)]
        found += [datetime.date.fromisoformat(text) for text in _UNPLANNED]
    return np.array(sorted({(day - _EPOCH).days for day in found}), dtype=np.int64)


def _fixed_days(year: int) -> Iterator[datetime.date]:
    yield datetime.date(year, 1, 1)
    yield datetime.date(year, 12, 25)


def nyse_holidays(year: int) -> Iterator[datetime.date]:
    """Yield the planned holidays of the New York Stock Exchange, those on weekends moved."""
    new_year = datetime.date(year, 1, 1)
    # On a Saturday it is not made up for: the year's last day is a trading day.
    yield new_year if new_year.weekday() != 6 else datetime.date(year, 1, 2)
    if year >= _SINCE["king"]:
        yield _nth(year, 1, MONDAY, 3)
    yield _nth(year, 2, MONDAY, 3)
    yield _easter(year) - datetime.timedelta(days=2)
    yield _nth(year, 6, MONDAY, 1) - datetime.timedelta(days=7)
    if year >= _SINCE["juneteenth"]:
        yield _observed(datetime.date(year, 6, 19))
    yield _observed(datetime.date(year, 7, 4))
    yield _nth(year, 9, MONDAY, 1)
    yield _nth(year, 11, THURSDAY, 4)
    yield _observed(datetime.date(year, 12, 25))
    if year <= _LAST_ELECTION_DAY_YEAR and year % 4 == 0:
        yield _nth(year, 11, MONDAY, 1) + datetime.timedelta(days=1)


def _nth(year: int, month: int, weekday: int, n: int) -> datetime.date:
    first = datetime.date(year, month, 1)
    return first + datetime.timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


def _observed(day: datetime.date) -> datetime.date:
    return day + datetime.timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0))


def _easter(year: int) -> datetime.date:
    """Return Easter Sunday. Source: Anonymous Gregorian algorithm (Meeus, 1991)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return datetime.date(year, month, day + 1)
