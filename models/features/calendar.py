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
from models.history import History
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
def weekday_of(day: int) -> int:
    """Return the day of week, 0 for Monday, of a day counted from 1970-01-01, a Thursday."""
    return (day + 3) % 7


@kernel
def is_last_weekday(day: int) -> bool:
    """Return whether no weekday of the same month comes after `day`."""
    # At most a weekend lies between two weekdays.
    following = day + 1
    while weekday_of(following) >= 5:
        following += 1
    return civil_of(following)[1] != civil_of(day)[1]


@kernel
def is_among_first_weekdays(day: int) -> bool:
    """Return whether `day` is a weekday, one of its month's first three."""
    of_month = civil_of(day)[2]
    if of_month > _TURN_WEEKDAYS + 2 or weekday_of(day) >= 5:
        return False
    weekdays = 0
    for other in range(day - of_month + 1, day + 1):
        weekdays += weekday_of(other) < 5
    return weekdays <= _TURN_WEEKDAYS


@kernel
def step(
    state: NDArray[np.float64],
    history: History,
    context: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the calendar of the current close."""
    local = history.ts + int(context[UTC_OFFSET_SECONDS]) * _SECOND_NS
    day = (local - 1) // _DAY_NS
    _, month, of_month = civil_of(day)
    last = is_last_weekday(day)
    out[0] = (local - day * _DAY_NS) / _HOUR_NS
    out[1] = weekday_of(day)
    out[2] = of_month
    out[3] = month
    out[4] = 1.0 if last else 0.0
    out[5] = 1.0 if last or is_among_first_weekdays(day) else 0.0
