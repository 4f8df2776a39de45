"""Calendar of the session, in its own zone.

Input: ts, `utc_offset_seconds`. Output: `hour_of_day` in (0, 24], the local time of the close in
hours, 24 for midnight; `day_of_week`, 0 Monday to 6 Sunday; `day_of_month`, 1 to 31; `month`, 1
to 12; `is_month_end`, 1.0 on the month's last weekday (and after it), else 0.0; `is_month_turn`,
1.0 on that and on the first three weekdays, else 0.0. The date is the one the bar closes in: a
bar that ends at midnight belongs to the day before. Holidays are not known here.
Warm-up: none. NaN: never.
Source: Lakonishok and Smidt (1988), "Are Seasonal Anomalies Real?"; dates: Hinnant (2021),
"chrono-Compatible Low-Level Date Algorithms".

>>> civil_of(19_723)
(2024, 1, 1)
"""

import numpy as np
from numpy.typing import NDArray

from models.context import UTC_OFFSET_SECONDS
from models.feature import window
from models.feature_history import FeatureHistory
from models.kernel import kernel

FEATURES = (
    window("hour_of_day", 1),
    window("day_of_week", 1),
    window("day_of_month", 1),
    window("month", 1),
    window("is_month_end", 1),
    window("is_month_turn", 1),
)
STATE_SIZE = 0

_SECOND_NS = 1_000_000_000
_HOUR_NS = 3600 * _SECOND_NS
_DAY_NS = 24 * _HOUR_NS
_TURN_WEEKDAYS = 3
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@kernel
def civil_of(day: int) -> tuple[int, int, int]:
    """Return year, month and day of month of a day counted from 1970-01-01, which is 0."""
    shifted = day + 719_468
    era = shifted // 146_097
    of_era = shifted - era * 146_097
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    from_march = (5 * of_year + 2) // 153
    month = from_march + 3 if from_march < 10 else from_march - 9
    of_month = of_year - (153 * from_march + 2) // 5 + 1
    return year + era * 400 + (1 if month <= 2 else 0), month, of_month


@kernel
def days_in(year: int, month: int) -> int:
    """Return the number of days of a month."""
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return _MONTH_DAYS[month - 1] + (1 if leap else 0)


@kernel
def weekdays_until(of_month: int, weekday: int) -> int:
    """Return how many weekdays a month has up to its day `of_month`, at most 7 and a weekday."""
    # The last Sunday was weekday + 1 days ago, the last Saturday a day earlier.
    return of_month - (of_month > weekday + 1) - (of_month > weekday + 2)


@kernel
def step(
    state: NDArray[np.float64],
    history: FeatureHistory,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the calendar of the current close."""
    local = history.ts + int(context[UTC_OFFSET_SECONDS]) * _SECOND_NS
    day = (local - 1) // _DAY_NS
    weekday = (day + 3) % 7  # 1970-01-01 was a Thursday
    year, month, of_month = civil_of(day)
    days_left = days_in(year, month) - of_month
    # No weekday follows: none at all, or the days left are a weekend's.
    is_end = weekday + days_left < 7 and (days_left == 0 or weekday >= 4)
    is_start = weekday < 5 and of_month <= 7 and weekdays_until(of_month, weekday) <= _TURN_WEEKDAYS
    out[0] = (local - day * _DAY_NS) / _HOUR_NS
    out[1] = weekday
    out[2] = of_month
    out[3] = month
    out[4] = 1.0 if is_end else 0.0
    out[5] = 1.0 if is_end or is_start else 0.0
