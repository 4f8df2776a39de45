"""The bar table: what every source returns.

Columns: symbol (str), interval (str), ts (int64, the CLOSE in UTC nanoseconds), open, high, low,
close, volume (float64); sorted by (ts, symbol). Every bar of it passed the checks of `faults.py`.
"""

import datetime

import numpy as np
import polars as pl

from streams.errors import ConfigError, DataError
from streams.interval import DAY_NS, interval_ns, is_daily
from streams.session import session
from streams.source_settings import SourceSettings
from streams.strict import nearest

BarTable = pl.DataFrame

PRICES = ("open", "high", "low", "close")
VALUES = (*PRICES, "volume")
COLUMNS = ("symbol", "interval", "ts", *VALUES)


def close_instants(label: pl.Series, settings: SourceSettings) -> pl.Series:
    """Return the close instants (int64 ns) of bars stamped `label` (int64 ns), null where it is.

    A daily label is a session date at 00:00, or an instant within its session; an intraday one
    the bar's start (or its close).
    """
    if not is_daily(settings.interval):
        shift = interval_ns(settings.interval) if settings.stamp == "start" else 0
        return (label + shift).alias("ts")
    market = session(settings.session)
    days = label.fill_null(0).to_numpy()
    within = np.flatnonzero(days % DAY_NS)
    if len(within):
        days = days.copy()
        is_close = settings.stamp == "close"
        days[within] = market.session_date_ns(days[within], is_close=is_close)
    closes = pl.Series("ts", market.daily_close_ns(days))
    return closes.set(label.is_null(), None) if label.null_count() else closes


def selected(bars: pl.DataFrame, settings: SourceSettings) -> pl.DataFrame:
    """Return only the symbols and days asked for, each symbol spelled as it was asked for.

    Bars without a time are kept. Raises ConfigError for a symbol that is not there.
    """
    if settings.symbols:
        known = bars["symbol"].drop_nulls().unique().to_list()
        spelled = {_spelling(name, known): name for name in settings.symbols}
        for name in settings.symbols:
            if spelled[_spelling(name, known)] != name:
                raise ConfigError(
                    f"symbols must be different, {name} and {spelled[_spelling(name, known)]} "
                    "are one: leave one out"
                )
        bars = bars.filter(pl.col("symbol").is_in(list(spelled)))
        if any(there != asked for there, asked in spelled.items()):
            bars = bars.with_columns(pl.col("symbol").replace(spelled))
    ts = pl.col("ts")
    if settings.start:
        bars = bars.filter((ts > _midnight_ns(settings.start)) | ts.is_null())
    if settings.end:
        bars = bars.filter((ts <= _midnight_ns(settings.end) + DAY_NS) | ts.is_null())
    return bars


def finished(bars: pl.DataFrame, settings: SourceSettings) -> BarTable:
    """Return checked bars as a BarTable: only the symbols and days asked for, sorted.

    Raises ConfigError for a symbol that is not there, DataError when nothing is left.
    """
    return sealed(selected(bars, settings), settings)


def sealed(bars: pl.DataFrame, settings: SourceSettings) -> BarTable:
    """Return checked bars as a BarTable. Raises DataError when there are none."""
    if bars.is_empty():
        raise DataError(
            f"no bars are left of source {settings.kind} between {settings.start or 'the start'} "
            f"and {settings.end or 'the end'}: widen start and end"
        )
    bars = bars.with_columns(pl.lit(settings.interval).alias("interval"))
    return bars.select(COLUMNS).sort("ts", "symbol")


def _spelling(name: str, known: list[str]) -> str:
    """Return how a symbol asked for is spelled in the bars: as it is, or in another case."""
    if name in known:
        return name
    alike = [symbol for symbol in known if symbol.casefold() == name.casefold()]
    if len(alike) != 1:
        raise ConfigError(f"symbol {name!r} is not in the bars{nearest(name, known)}")
    return alike[0]


def _midnight_ns(day: datetime.date) -> int:
    return (day - datetime.date(1970, 1, 1)).days * DAY_NS
