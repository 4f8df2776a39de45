"""Bars from Parquet: columns named as in CSV files (see `column_names.py`).

Stamps are dates, timestamps with or without a zone (without: in `timezone`), numbers since 1970
(seconds to nanoseconds, told apart by their size), numbers such as 20200131, or text as in CSV
files. A daily bar's stamp is its session date; one at another time of day than midnight lies
within its session, in CSV files too. Where there is no column of symbols the file name stands in.
Rows are counted from 1.
"""

import polars as pl

from streams.errors import DataError
from streams.interval import is_daily
from streams.source_settings import SourceSettings
from streams.sources.column_names import columns_of, without_volume
from streams.sources.file_params import FileParams
from streams.sources.files import FoundFile, files_of
from streams.sources.raw_bars import ROW, RawBars, joined, raw_bars
from streams.sources.stamps import labelled, parse_stamps, within_reach, zoned
from streams.sources.table import PRICES, BarTable, close_instants
from streams.sources.validated import validated

SUFFIXES = (".parquet", ".pq")
Params = FileParams


def read(settings: SourceSettings, params: FileParams) -> BarTable:
    """Return the bars of `settings.path`, or of the files in `settings.dir`.

    Raises ConfigError when there is no such file, DataError for a bar that cannot be used.
    """
    return validated(raw(settings, params), settings)[0]


def raw(settings: SourceSettings, params: FileParams) -> RawBars:
    """Return the same bars as they stand. Raises DataError for a layout that is not known."""
    return joined([read_file(file, settings, params) for file in files_of(settings, SUFFIXES)])


def read_file(found: FoundFile, settings: SourceSettings, params: FileParams) -> RawBars:
    """Return the bars of one file."""
    file = str(found.path)
    try:
        names = list(pl.read_parquet_schema(found.path))
        wanted = [names[i] for i in columns_of(names, file).values()]
        table = pl.read_parquet(found.path, columns=wanted)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{file} cannot be read as Parquet: {error}") from error
    return table_bars(table, names, found, settings, params)


def table_bars(
    table: pl.DataFrame,
    names: list[str],
    found: FoundFile,
    settings: SourceSettings,
    params: FileParams,
) -> RawBars:
    """Return the bars of a table; `names` are all the columns there were. Errors as `raw`."""
    file = str(found.path)
    columns = columns_of(table.columns, file)
    table = table.select(pl.col(table.columns[i]).alias(name) for name, i in columns.items())
    table = table.with_row_index(ROW, offset=1)
    notes: list[str] = []
    numbers = [_number(table, name, file) for name in PRICES]
    if "volume" in columns:
        volume = _number(table, "volume", file)
    elif "up" in columns:
        volume = _number(table, "up", file) + _number(table, "down", file)
        notes.append(f"{file} has no column Volume: Up and Down are added")
    elif params.volume == "zero":
        volume = pl.Series(values=[0.0]).new_from_index(0, len(table))
        notes.append(f"{file} has no column Volume: it is 0")
    else:
        raise without_volume(names, file)
    if params.volume == "zero" and volume.null_count():
        notes.append(f"{file}: {volume.null_count():,} volumes are missing: they are 0")
        volume = volume.fill_null(0.0)
    stamps = _stamps(table)
    label = _instants(stamps, settings, params, file)
    symbol = _symbols(table, file) if "symbol" in columns else found.symbols(len(table))
    bars = pl.DataFrame(
        [table[ROW], symbol.alias("symbol"), close_instants(label, settings), *numbers,
         volume.alias("volume")]
    )  # fmt: skip
    return raw_bars(file, bars, {"ts": stamps}, notes)


def _number(table: pl.DataFrame, name: str, file: str) -> pl.Series:
    values = table[name]
    if not (values.dtype.is_numeric() or values.dtype == pl.Null):
        raise DataError(f"{file}: {name} must be a number, its type is {values.dtype}")
    return values.cast(pl.Float64).alias(name)


def _symbols(table: pl.DataFrame, file: str) -> pl.Series:
    try:
        return table["symbol"].cast(pl.String)
    except pl.exceptions.PolarsError as error:
        kind = table["symbol"].dtype
        raise DataError(f"{file}: symbol must be text, its type is {kind}") from error


def _stamps(table: pl.DataFrame) -> pl.Series:
    if "stamp" in table.columns:
        return table["stamp"]
    if "date" in table.columns and "time" in table.columns:
        time = pl.col("time").cast(pl.String).str.zfill(4)
        return table.select(
            pl.concat_str(pl.col("date").cast(pl.String), time, separator=" ")
        ).to_series()
    return table["date"] if "date" in table.columns else table["time"]


def _instants(
    stamps: pl.Series, settings: SourceSettings, params: FileParams, file: str
) -> pl.Series:
    """Return stamps as int64 ns: of daily bars the date as written, else UTC instants."""
    is_label = is_daily(settings.interval)
    kind = stamps.dtype
    if kind == pl.Date or (isinstance(kind, pl.Datetime) and kind.time_unit != "ns"):
        stamps = within_reach(stamps)
    if kind == pl.Date:
        return stamps.cast(pl.Datetime("ns")).cast(pl.Int64).alias("ts")
    if isinstance(kind, pl.Datetime):
        own_zone = kind.time_zone
        stamps = stamps.dt.cast_time_unit("ns")
        instants = stamps.cast(pl.Int64) if own_zone else zoned(stamps, settings.timezone)
        if is_label:
            instants = labelled(stamps.dt.replace_time_zone(None), instants)
        return instants.alias("ts")
    if kind == pl.String or kind.is_integer() or kind.is_float():
        text = stamps.cast(pl.Int64, strict=False) if kind.is_float() else stamps
        return parse_stamps(
            text.cast(pl.String),
            settings.timezone,
            is_label=is_label,
            date_order=params.date_order,
            file=file,
        )
    raise DataError(f"{file}: ts must be a date, a timestamp, a number or text, its type is {kind}")
