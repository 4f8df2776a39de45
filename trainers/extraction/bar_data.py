"""Bars as people have them - a frame, columns, a file - as a history.

Columns are found by name as in files (`streams/sources/column_names.py`): Date, Time, `Date/Time`,
Datetime or ts; Open, High, Low, Close, Volume; Symbol or Ticker. A daily stamp is the session's
date as written; an intraday one without a zone is in the market's `timezone`. The first row that
cannot be used is named, counted from 1.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from engine.backtests.bar_history import BarHistory
from streams.errors import ConfigError, DataError
from streams.interval import is_daily
from streams.source_settings import SourceSettings
from streams.sources.column_names import columns_of
from streams.sources.file_params import FileParams
from streams.sources.files import FoundFile
from streams.sources.parquet import table_bars
from streams.sources.validated import validated
from trainers.research.histories import history_of, read_history

ORIGIN = Path("the data")
_INDEX = "Date/Time"


def history_from(data: Any, symbol: str | None, market: SourceSettings) -> BarHistory:
    """Return `data` as a history.

    `data`: a polars frame, a mapping or pandas frame of columns, the path of a CSV or Parquet
    file, or a BarHistory, which is returned as it is. `symbol` names bars that carry none.
    `market` says interval, session, timezone, stamp and validation. Raises ConfigError for what
    is none of these, DataError for bars that cannot be used.
    """
    if isinstance(data, BarHistory):
        return data
    if isinstance(data, str | Path):
        return _read(Path(data), symbol, market)
    frame = _frame(data)
    if frame.is_empty() and frame.columns:
        raise DataError(f"{ORIGIN} hold no bar: give at least one")
    if not symbol and "symbol" not in columns_of(frame.columns, str(ORIGIN)):
        raise ConfigError(
            f"{ORIGIN} have no column Symbol: say of which symbol they are, was {symbol!r}"
        )
    found = FoundFile(ORIGIN, symbol or "")
    bars = table_bars(frame, frame.columns, found, market, FileParams())
    _refuse_several_a_day(bars.bars, market)
    return history_of(validated(bars, market)[0])


def symbols_in(data: Any) -> tuple[str, ...]:
    """Return the symbols that `data` name, as far as that shows without reading a file."""
    if isinstance(data, BarHistory):
        return data.symbols
    if isinstance(data, str | Path):
        return (Path(data).stem,)
    frame = _frame(data)
    place = columns_of(frame.columns, str(ORIGIN)).get("symbol")
    if place is None:
        return ()
    return tuple(frame.to_series(place).drop_nulls().cast(pl.String).unique().sort().to_list())


def _read(path: Path, symbol: str | None, market: SourceSettings) -> BarHistory:
    kind = "parquet" if path.suffix.lower() in (".parquet", ".pq") else "csv"
    found = read_history(msgspec.structs.replace(market, kind=kind, path=str(path)))
    if symbol is None or found.symbols != (path.stem,):
        return found
    # A file that says no symbol is called by its own name: the caller knows better.
    return BarHistory((symbol,), found.interval, found.starts, found.ts, found.values)


def _frame(data: Any) -> pl.DataFrame:
    if isinstance(data, pl.DataFrame):
        return data
    names = data.keys() if isinstance(data, Mapping) else getattr(data, "columns", None)
    if names is None:
        raise ConfigError(
            "data must be a polars or pandas frame, a mapping of columns, the path of a file or a "
            f"BarHistory, was {type(data).__name__}"
        )
    try:
        columns = {str(name): _column(data[name]) for name in names}
        index = getattr(data, "index", None)
        if getattr(getattr(index, "dtype", None), "kind", "") == "M":
            # Bars in pandas often carry their time as the index.
            columns = {_INDEX: _column(index), **columns}
        return pl.DataFrame(columns)
    except (pl.exceptions.PolarsError, TypeError, ValueError, KeyError) as error:
        detail = " ".join(str(error).split())
        raise DataError(f"{ORIGIN} cannot be read as columns: {detail}") from None


def _column(values: Any) -> Any:
    """Return a column as polars takes it: pandas has types of its own."""
    if isinstance(values, pl.Series | list | tuple | np.ndarray):
        return values
    zone = getattr(values.dtype, "tz", None)
    if zone is not None:
        instants = getattr(values, "dt", values).tz_convert(None)
        return (
            pl.Series(np.asarray(instants, dtype="datetime64[ns]"))
            .dt.replace_time_zone("UTC")
            .dt.convert_time_zone(str(zone))
        )
    plain = np.asarray(values)
    if plain.dtype.kind == "M":
        return plain.astype("datetime64[ns]")
    return plain.tolist() if plain.dtype == object else plain


def _refuse_several_a_day(bars: pl.DataFrame, market: SourceSettings) -> None:
    """Intraday bars under a daily interval would all be one day's: say so, not that they repeat."""
    if not is_daily(market.interval):
        return
    days = bars.select("symbol", "ts")
    again = (days.is_duplicated() & (days["ts"] == days["ts"].shift(1))).arg_true()
    if len(again) > len(bars) // 2:
        raise ConfigError(
            f"interval must be that of the data, was {market.interval!r}: row {again[0] + 1} is "
            "one of several bars of a day"
        )
