"""Bars from CSV files, in the layouts that vendors write.

Columns by name, in any order and case: Date, Time, Date and Time, Date/Time, Datetime or
Timestamp; Open, High, Low, Close; Volume (or TradeStation's Up and Down, added); Symbol or Ticker
where a file holds several. That covers TradeStation, Interactive Brokers, TradingView, yfinance
(with its three header lines too), Alpha Vantage, Nasdaq, Stooq (`<TICKER>,<PER>,<DATE>,…`) and
MetaTrader (`<DATE> <TIME> … <TICKVOL>` with tabs, whose tick volume is preferred). Without a
header: date, time (or both in one), open, high, low, close, volume, as MetaTrader, NinjaTrader
and Kibot write them; Binance's klines. Separators: comma, semicolon (decimals may then be
commas), tab. Prices are taken as they stand: an adjusted close is ignored. TradeStation and
NinjaTrader stamp a bar with its close: say `stamp: close`. A daily bar stamped at another time than
midnight is of the session in which that lies. A file with its newest bar first is read backwards.
Rows in errors are lines of the file.
"""

import polars as pl

from streams.errors import DataError
from streams.interval import is_daily
from streams.source_settings import SourceSettings
from streams.sources.cells import parse_numbers
from streams.sources.column_names import without_volume
from streams.sources.csv_layout import Layout, layout_of, text_of
from streams.sources.file_params import FileParams
from streams.sources.files import FoundFile, files_of
from streams.sources.raw_bars import ROW, RawBars, joined, raw_bars
from streams.sources.stamps import parse_stamps
from streams.sources.table import PRICES, BarTable, close_instants
from streams.sources.validated import validated

SUFFIXES = (".csv", ".txt", ".tsv")
REASON_CHARS_MAX = 200
Params = FileParams


def read(settings: SourceSettings, params: FileParams) -> BarTable:
    """Return the bars of the file or folder in `settings`.

    Raises ConfigError when there is no such file, DataError for a bar that cannot be used.
    """
    return validated(raw(settings, params), settings)[0]


def raw(settings: SourceSettings, params: FileParams) -> RawBars:
    """Return the same bars as they stand. Raises DataError for a layout that is not known."""
    return joined([read_file(file, settings, params) for file in files_of(settings, SUFFIXES)])


def read_file(found: FoundFile, settings: SourceSettings, params: FileParams) -> RawBars:
    """Return the bars of one file."""
    file = str(found.path)
    content = text_of(found.path)
    layout = layout_of(content, file)
    cells = _cells(content, layout, file)
    stamps = _stamp_text(cells)
    label = parse_stamps(
        stamps,
        settings.timezone,
        is_label=is_daily(settings.interval),
        date_order=params.date_order,
        file=file,
    )
    notes: list[str] = []
    texts = {"ts": stamps, **{name: cells[name] for name in PRICES}}
    numbers = [_numbers(cells, name, layout) for name in PRICES]
    if "volume" in cells.columns:
        texts["volume"] = cells["volume"]
        volume = _numbers(cells, "volume", layout)
    elif "up" in cells.columns:
        texts["volume"] = cells["up"] + " + " + cells["down"]
        volume = _numbers(cells, "up", layout) + _numbers(cells, "down", layout)
        notes.append(f"{file} has no column Volume: Up and Down are added")
    elif params.volume == "zero":
        volume = pl.Series(values=[0.0]).new_from_index(0, len(cells))
        notes.append(f"{file} has no column Volume: it is 0")
    else:
        raise without_volume(layout.header, file)
    if params.volume == "zero" and volume.null_count():
        notes.append(f"{file}: {volume.null_count():,} volumes cannot be read: they are 0")
        volume = volume.fill_null(0.0)
    symbol = cells["symbol"] if "symbol" in cells.columns else found.symbols(len(cells))
    bars = pl.DataFrame(
        [cells[ROW], symbol.alias("symbol"), close_instants(label, settings), *numbers,
         volume.alias("volume")]
    )  # fmt: skip
    return raw_bars(file, bars, texts, notes)


def _cells(content: bytes, layout: Layout, file: str) -> pl.DataFrame:
    """Return the text of our columns and `row`, the line of the file."""
    try:
        table = pl.read_csv(
            content,
            has_header=False,
            separator=layout.delimiter,
            skip_lines=layout.header_lines,
            infer_schema=False,
        )
        nameless = table.columns[layout.width :]
        if any(table[name].null_count() < len(table) for name in nameless):
            # Fields without a name may stand anywhere: every column would be in doubt.
            raise DataError(
                f"{file} has rows of {table.width} fields under a header of {layout.width}: "
                "name every column"
            )
        table = table.select(pl.nth(i).alias(name) for name, i in layout.columns.items())
    except pl.exceptions.NoDataError as error:
        raise DataError(f"{file} holds no bars: there is nothing below its header") from error
    except pl.exceptions.PolarsError as error:
        # The first line says what is wrong, the others how polars would be told to overlook it.
        what = str(error).partition("\n")[0][:REASON_CHARS_MAX]
        raise DataError(
            f"{file} cannot be read as CSV: {what}: it must be text in UTF-8, no row with more "
            "fields than the first, every quotation mark closed"
        ) from error
    table = table.with_row_index(ROW, offset=layout.header_lines + 1)
    # Blank lines, as at a file's end, are no bars.
    return table.filter(~pl.all_horizontal(pl.exclude(ROW).is_null()))


def _stamp_text(cells: pl.DataFrame) -> pl.Series:
    if "stamp" in cells.columns:
        return cells["stamp"]
    if "date" in cells.columns and "time" in cells.columns:
        # Leading zeros get lost in spreadsheets: 930 is half past nine.
        time = pl.col("time").str.strip_chars().str.zfill(4)
        return cells.select(pl.concat_str("date", time, separator=" ")).to_series()
    return cells["date"] if "date" in cells.columns else cells["time"]


def _numbers(cells: pl.DataFrame, name: str, layout: Layout) -> pl.Series:
    return parse_numbers(
        cells[name],
        has_decimal_commas=layout.delimiter == ";",
        is_volume=name not in PRICES,
    ).alias(name)
