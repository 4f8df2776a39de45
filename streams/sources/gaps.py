"""Gaps: sessions that are missing between two bars, or bars that are missing within a session.

Weekends and holidays are no gaps (see `trading_days.py`), nor is the time between two sessions.
"""

import numpy as np
import polars as pl

from streams.interval import DAY_NS, interval_ns, is_daily
from streams.session import session
from streams.source_settings import SourceSettings
from streams.sources.trading_days import is_trading_day

# Below this share of steps of one interval a symbol's bars are of another interval.
USUAL_SHARE_MIN = 0.5
STEPS_MIN = 10

NEW_SESSION = "is_new_session"


def with_sessions(bars: pl.DataFrame, settings: SourceSettings) -> pl.DataFrame:
    """Return bars sorted by symbol and time with `day` (since 1970, of the session), `day_before`
    and `ts_before` of the bar before (null at a symbol's first) and `is_new_session`."""
    dates = session(settings.session).session_date_ns(bars["ts"].to_numpy(), is_close=True)
    bars = bars.with_columns(pl.Series("day", dates // DAY_NS))
    is_next = pl.col("symbol") == pl.col("symbol").shift(1)
    bars = bars.with_columns(
        pl.when(is_next).then(pl.col("day").shift(1)).alias("day_before"),
        pl.when(is_next).then(pl.col("ts").shift(1)).alias("ts_before"),
    )
    return bars.with_columns((pl.col("day") != pl.col("day_before")).alias(NEW_SESSION))


def gaps(bars: pl.DataFrame, settings: SourceSettings) -> pl.DataFrame:
    """Return the bars behind a gap, with `count` missing and what it counts: `unit`.

    `bars` as of `with_sessions`.
    """
    if bars.is_empty():
        return bars.with_columns(pl.lit(0).alias("count"), pl.lit("").alias("unit"))
    first, last = (int(str(day)) for day in (bars["day"].min(), bars["day"].max()))
    days = np.arange(first, last + 1)
    # How many trading days there are up to each day.
    counted = np.cumsum(is_trading_day(settings.session, days))
    day = bars["day"].to_numpy()
    before = bars["day_before"].fill_null(bars["day"]).to_numpy()
    sessions = np.where(day > before, counted[np.maximum(day - 1, first) - first], 0)
    sessions = sessions - np.where(day > before, counted[before - first], 0)
    found = bars.with_columns(pl.Series("count", sessions), pl.lit("sessions").alias("unit"))
    is_gap = pl.col("count") > 0
    if not is_daily(settings.interval):
        steps = (pl.col("ts") - pl.col("ts_before")) // interval_ns(settings.interval) - 1
        is_inside = ~pl.col(NEW_SESSION)
        if settings.session == "crypto":
            # The next day begins where this one ends.
            is_inside = is_inside | (pl.col("count") == 0)
        is_hole = (is_inside & (steps > 0)).fill_null(value=False)
        found = found.with_columns(
            pl.when(is_hole).then(steps).otherwise("count").alias("count"),
            pl.when(is_hole).then(pl.lit("bars")).otherwise("unit").alias("unit"),
        )
    return found.filter(is_gap)


def other_intervals(bars: pl.DataFrame, settings: SourceSettings) -> pl.DataFrame:
    """Return the last bar of each symbol whose bars do not stand `interval` apart, with the
    distance (ns) that they most often do: `count`. `bars` as of `with_sessions`."""
    step = pl.col("day") - pl.col("day_before")
    usual = DAY_NS
    if is_daily(settings.interval):
        # Over a weekend or a holiday too the next session is the next bar.
        is_usual, step = step <= 4, step * DAY_NS
    else:
        usual = interval_ns(settings.interval)
        step = pl.col("ts") - pl.col("ts_before")
        is_usual = step == usual
    by_symbol = bars.group_by("symbol", maintain_order=True).agg(
        share=is_usual.mean(),
        steps=is_usual.count(),
        count=step.drop_nulls().mode().sort().first(),
        **{name: pl.col(name).last() for name in ("file", "row", "ts")},
    )
    return by_symbol.filter((pl.col("steps") >= STEPS_MIN) & (pl.col("share") < USUAL_SHARE_MIN))
