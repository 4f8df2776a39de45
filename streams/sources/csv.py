"""Bars from CSV files, in the layouts that vendors write.

Columns by name, in any order and case: Date, Time, Date and Time, Datetime or Timestamp; Open,
High, Low, Close; Volume; Symbol or Ticker where a file holds several. That covers plain exports,
yfinance (with its three header lines too), Stooq (`<TICKER>,<PER>,<DATE>,…`) and MetaTrader
(`<DATE> <TIME> … <TICKVOL>` with tabs, whose tick volume is preferred; or without a header:
date, time, open, high, low, close, volume). Separators: comma, semicolon (decimals may then be
commas), tab. Prices are taken as they stand: an adjusted close is ignored. Rows in errors are
lines of the file.
"""

from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

from streams.errors import DataError
from streams.interval import is_daily
from streams.source_settings import SourceSettings
from streams.sources.files import files_of
from streams.sources.stamps import parse_stamps
from streams.sources.table import ROW, VALUES, BarTable, check_bars, close_instants, finished

SUFFIXES = (".csv", ".txt", ".tsv")
DELIMITERS = "\t;,"
ALIASES = {
    "date": ("date",),
    "time": ("time",),
    "stamp": ("datetime", "timestamp", "date/time", "opentime", "gmttime", "ts"),
    "symbol": ("symbol", "ticker"),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
    "volume": ("tickvol", "tickvolume", "volume", "vol"),
}
WITHOUT_HEADER = {
    7: ("date", "time", "open", "high", "low", "close", "volume"),
    6: ("date", "open", "high", "low", "close", "volume"),
}


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No settings of its own."""


class Layout(NamedTuple):
    """Where things stand in a file: `columns` maps our names to positions."""

    delimiter: str
    header_lines: int
    columns: dict[str, int]


def read(settings: SourceSettings, params: Params) -> BarTable:
    """Return the bars of the file or folder in `settings`.

    Raises ConfigError when there is no such file, DataError for a bar that cannot be used.
    """
    files = files_of(settings, SUFFIXES)
    return finished(pl.concat([_read_file(file, settings) for file in files]), settings)


def _read_file(file: Path, settings: SourceSettings) -> pl.DataFrame:
    layout = _layout(file)
    try:
        raw = pl.read_csv(
            file,
            has_header=False,
            separator=layout.delimiter,
            skip_lines=layout.header_lines,
            infer_schema=False,
        )
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{file} cannot be read as CSV: {error}") from error
    raw = raw.select(pl.nth(i).alias(name) for name, i in layout.columns.items())
    raw = raw.with_row_index(ROW, offset=layout.header_lines + 1)
    # Blank lines, as at a file's end, are no bars.
    raw = raw.filter(~pl.all_horizontal(pl.exclude(ROW).is_null()))
    label = parse_stamps(_stamp_text(raw), settings.timezone, is_label=is_daily(settings.interval))
    _refuse_null(label, _stamp_text(raw), raw, file, "time", f"a time in {settings.timezone}")
    numbers = [_number(raw, name, file, layout.delimiter) for name in VALUES]
    symbol = raw["symbol"] if "symbol" in raw.columns else _named(file, settings, len(raw))
    _refuse_null(symbol, symbol, raw, file, "symbol", "given")
    bars = pl.DataFrame([raw[ROW], symbol.alias("symbol"), label, *numbers])
    bars = bars.with_columns(close_instants(bars["ts"], settings))
    check_bars(bars, str(file))
    return bars.select("symbol", "ts", *VALUES)


def _layout(file: Path) -> Layout:
    with file.open(encoding="utf-8-sig", errors="replace") as text:
        lines = [text.readline().rstrip("\r\n") for _ in range(3)]
    delimiter = max(DELIMITERS, key=lines[0].count)
    cells = [[cell.strip().strip('"') for cell in line.split(delimiter)] for line in lines]
    first = cells[0]
    if first[0][:1].isdigit():
        names = WITHOUT_HEADER.get(len(first))
        if names is None:
            raise DataError(
                f"{file} row 1: a file without a header has 6 or 7 columns ("
                f"{', '.join(WITHOUT_HEADER[7])}), this one has {len(first)}"
            )
        return Layout(delimiter, 0, {name: i for i, name in enumerate(names)})
    if first[0] == "Price" and cells[2][0].lower() in ("date", "datetime"):
        # yfinance writes field, ticker and index names on three lines.
        return Layout(delimiter, 3, _columns([cells[2][0], *first[1:]], file))
    return Layout(delimiter, 1, _columns(first, file))


def _columns(header: list[str], file: Path) -> dict[str, int]:
    """Return the position of each of our names, by the first alias that stands in `header`."""
    plain = [cell.lower().strip("<>").replace(" ", "").replace("_", "") for cell in header]
    found = {
        name: plain.index(alias)
        for name, aliases in ALIASES.items()
        for alias in reversed(aliases)
        if alias in plain
    }
    if not {"date", "time", "stamp"} & set(found):
        raise DataError(f"{file} needs a column Date, Time or Datetime, has {', '.join(header)}")
    for name in VALUES:
        if name not in found:
            raise DataError(f"{file} needs a column {name.title()}, has {', '.join(header)}")
    return found


def _stamp_text(raw: pl.DataFrame) -> pl.Series:
    if "stamp" in raw.columns:
        return raw["stamp"]
    if "date" in raw.columns and "time" in raw.columns:
        return raw.select(pl.concat_str("date", "time", separator=" ")).to_series()
    return raw["date"] if "date" in raw.columns else raw["time"]


def _number(raw: pl.DataFrame, name: str, file: Path, delimiter: str) -> pl.Series:
    text = raw[name].str.strip_chars()
    plain = text.str.replace(",", ".", literal=True) if delimiter == ";" else text
    number = plain.cast(pl.Float64, strict=False)
    _refuse_null(number, raw[name], raw, file, name, "a number")
    return number


def _named(file: Path, settings: SourceSettings, rows: int) -> pl.Series:
    """A single file takes the one symbol asked for, else a file's name is its symbol."""
    is_asked = bool(settings.path) and len(settings.symbols) == 1
    name = settings.symbols[0] if is_asked else file.stem
    return pl.Series("symbol", [name]).new_from_index(0, rows)


def _refuse_null(
    values: pl.Series, text: pl.Series, raw: pl.DataFrame, file: Path, name: str, rule: str
) -> None:
    bad = values.is_null().arg_true()
    if len(bad):
        at = bad[0]
        raise DataError(f"{file} row {raw[ROW][at]}: {name} must be {rule}, was {text[at]!r}")
