"""Whether dates such as 01/02/2020 have the month or the day first: a whole column decides.

A number above 12 can only be a day. A column of first numbers and second numbers that shows none
is ambiguous, and one that shows both contradicts itself: both are refused, never guessed.
"""

from typing import Literal

import polars as pl

from streams.errors import DataError

MONTHS = 12
DAYS = 31

DateOrder = Literal["mdy", "dmy"]


def date_order_of(first: pl.Series, second: pl.Series, text: pl.Series, file: str) -> DateOrder:
    """Return the order of dates written as first/second/year.

    `first` and `second` are int64, null where a stamp is no such date; dates with dots in doubt
    have the day first, as they are only written so. Raises DataError that shows a date.
    """
    is_day_first = (first > MONTHS) & (first <= DAYS) & (second <= MONTHS)
    is_month_first = (second > MONTHS) & (second <= DAYS) & (first <= MONTHS)
    if is_day_first.any() and is_month_first.any():
        one = text.filter(is_day_first.fill_null(value=False))[0]
        other = text.filter(is_month_first.fill_null(value=False))[0]
        raise DataError(
            f"{file} has dates with the day first ({one!r}) and with the month first ({other!r}): "
            "write them in one order; data.params.date_order=mdy or dmy takes the others as faulty"
        )
    if is_month_first.any():
        return "mdy"
    example = text.filter(first.is_not_null()).head(1)
    if is_day_first.any() or (len(example) and "." in example[0].split()[0]):
        return "dmy"
    shown = repr(example[0]) if len(example) else "none"
    raise DataError(
        f"{file} has dates such as {shown} that may have the month or the day first, and no number "
        "above 12 tells: set data.params.date_order to mdy (month first) or dmy (day first)"
    )
