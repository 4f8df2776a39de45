"""Bars from Parquet: columns symbol, ts, open, high, low, close, volume.

`ts` is a UTC timestamp: a session date for daily bars, the bar's start for intraday ones (see
`stamp`). A folder holds one file per symbol; there the file name stands in for a missing symbol
column. Rows are counted from 1.
"""

from pathlib import Path

import msgspec
import polars as pl

from streams.errors import DataError
from streams.source_settings import SourceSettings
from streams.sources.files import files_of
from streams.sources.table import ROW, VALUES, BarTable, check_bars, close_instants, finished

SUFFIX = ".parquet"


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No settings of its own."""


def read(settings: SourceSettings, params: Params) -> BarTable:
    """Return the bars of `settings.path`, or of the files in `settings.dir`.

    Raises ConfigError when there is no such file, DataError for a bar that cannot be used.
    """
    files = list(files_of(settings, (SUFFIX,)))
    return finished(pl.concat([_read_file(file, settings) for file in files]), settings)


def _read_file(file: Path, settings: SourceSettings) -> pl.DataFrame:
    try:
        raw = pl.read_parquet(file)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{file} cannot be read as Parquet: {error}") from error
    if "symbol" not in raw.columns and settings.dir:
        raw = raw.with_columns(pl.lit(file.stem).alias("symbol"))
    for name in ("symbol", "ts", *VALUES):
        if name not in raw.columns:
            raise DataError(f"{file} needs a column {name}, has {', '.join(raw.columns)}")
        if raw[name].null_count():
            row = raw[name].is_null().arg_max()
            raise DataError(f"{file} row {(row or 0) + 1}: {name} must be given, was null")
    bars = raw.select(
        pl.col("symbol").cast(pl.String),
        _instants(raw["ts"], file),
        *(pl.col(name).cast(pl.Float64) for name in VALUES),
    ).with_row_index(ROW, offset=1)
    bars = bars.with_columns(close_instants(bars["ts"], settings))
    check_bars(bars, str(file))
    return bars.drop(ROW)


def _instants(ts: pl.Series, file: Path) -> pl.Series:
    """Return a date or timestamp column as int64 ns; one without a zone is taken as UTC."""
    if isinstance(ts.dtype, pl.Datetime | pl.Date):
        return ts.cast(pl.Datetime("ns")).cast(pl.Int64).alias("ts")
    raise DataError(f"{file}: ts must be a date or a UTC timestamp, its type is {ts.dtype}")
