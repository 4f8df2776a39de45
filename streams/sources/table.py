"""The bar table: what every source returns, and the checks that every bar passes.

Columns: symbol (str), interval (str), ts (int64, the CLOSE in UTC nanoseconds), open, high, low,
close, volume (float64); sorted by (ts, symbol). Nothing is repaired: the first bar that cannot
be used raises DataError naming its file, row and column.
"""

import datetime

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
ROW = "row"


def close_instants(label: pl.Series, settings: SourceSettings) -> pl.Series:
    """Return the close instants (int64 ns) of bars stamped `label` (int64 ns).

    A daily label is a session date at 00:00; an intraday one the bar's start (or its close).
    """
    if is_daily(settings.interval):
        days = (label // DAY_NS) * DAY_NS
        return pl.Series("ts", session(settings.session).daily_close_ns(days.to_numpy()))
    shift = interval_ns(settings.interval) if settings.stamp == "start" else 0
    return (label + shift).alias("ts")


def check_bars(bars: pl.DataFrame, file: str) -> None:
    """Raise DataError for the first bar of `file` that cannot be used.

    `bars` has COLUMNS without interval, in the file's order, and `row`, the row in the file.
    """
    column = pl.col
    for name in VALUES:
        _refuse(bars, file, ~column(name).is_finite(), name, "must be a finite number")
    for name in PRICES:
        _refuse(bars, file, column(name) <= 0.0, name, "must be > 0")
    _refuse(bars, file, column("volume") < 0.0, "volume", "must be >= 0")
    _refuse(bars, file, column("high") < column("low"), "high", "must be >= low")
    for name in ("open", "close"):
        outside = (column(name) > column("high")) | (column(name) < column("low"))
        _refuse(bars, file, outside, name, "must lie in [low, high]")
    before = column("ts").shift(1).over("symbol")
    _refuse(bars, file, column("ts") == before, "ts", "repeats the bar before it: remove one")
    _refuse(bars, file, column("ts") < before, "ts", "is before the bar above it: sort by time")


def finished(bars: pl.DataFrame, settings: SourceSettings) -> BarTable:
    """Return checked bars as a BarTable: only the symbols and days asked for, sorted.

    Raises ConfigError for a symbol that is not there, DataError when nothing is left.
    """
    if settings.symbols:
        known = bars["symbol"].unique().to_list()
        for name in settings.symbols:
            if name not in known:
                raise ConfigError(f"symbol {name!r} is not in the bars{nearest(name, known)}")
        bars = bars.filter(pl.col("symbol").is_in(settings.symbols))
    if settings.start:
        bars = bars.filter(pl.col("ts") > _midnight_ns(settings.start))
    if settings.end:
        bars = bars.filter(pl.col("ts") <= _midnight_ns(settings.end) + DAY_NS)
    if bars.is_empty():
        raise DataError(
            f"no bars are left of source {settings.kind} between {settings.start or 'the start'} "
            f"and {settings.end or 'the end'}: widen start and end"
        )
    bars = bars.with_columns(pl.lit(settings.interval).alias("interval"))
    return bars.select(COLUMNS).sort("ts", "symbol")


def _refuse(bars: pl.DataFrame, file: str, fault: pl.Expr, name: str, rule: str) -> None:
    bad = bars.filter(fault.fill_null(name != "ts")).head(1)
    if bad.is_empty():
        return
    row = bad.row(0, named=True)
    when = datetime.datetime.fromtimestamp(row["ts"] / 1e9, datetime.UTC)
    raise DataError(
        f"{file} row {row[ROW]}: {name} {rule}, was {row[name]} "
        f"({row['symbol']}, closing {when:%Y-%m-%d %H:%M} UTC)"
    )


def _midnight_ns(day: datetime.date) -> int:
    return (day - datetime.date(1970, 1, 1)).days * DAY_NS
