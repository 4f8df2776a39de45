"""Bars as files hold them, before anything is judged."""

from typing import NamedTuple

import polars as pl

from streams.sources.table import VALUES

FILE, ROW = "file", "row"
RAW_COLUMNS = (FILE, ROW, "symbol", "ts", *VALUES)
# Two bars in the wrong order may be a slip; a whole file is a vendor's way.
NEWEST_FIRST_BARS_MIN = 3


class RawBars(NamedTuple):
    """Bars and where they stand.

    `bars` has RAW_COLUMNS in the files' order: `file` is an index of `files`, `row` the row (or
    line) in it from 1, `ts` the close; null where something is absent or cannot be read. `unread`
    has file, row, column and text of what was there instead. `notes` tell of whole files.
    """

    files: tuple[str, ...]
    bars: pl.DataFrame
    unread: pl.DataFrame
    notes: tuple[str, ...] = ()


def raw_bars(
    file: str, bars: pl.DataFrame, texts: dict[str, pl.Series], notes: list[str]
) -> RawBars:
    """Return the bars of one file: RAW_COLUMNS without `file`.

    `texts` holds, for each column that was read from text, that text. A file in descending order
    of time is turned round. Blanks about a symbol are none of it.
    """
    name = pl.col("symbol").str.strip_chars()
    bars = bars.with_columns(pl.when(name != "").then(name).alias("symbol"))
    unread = [_unread(bars, name, text) for name, text in texts.items() if bars[name].null_count()]
    if _is_newest_first(bars):
        bars = bars.reverse()
        notes = [*notes, f"{file} has its newest bar first: read backwards"]
    zero = pl.lit(0, dtype=pl.UInt32).alias(FILE)
    return RawBars(
        (file,),
        bars.select(zero, pl.col(ROW).cast(pl.UInt32), *RAW_COLUMNS[2:]),
        pl.concat(unread).select(zero, pl.all()) if unread else _NOTHING_UNREAD,
        tuple(notes),
    )


def joined(parts: list[RawBars]) -> RawBars:
    """Return the bars of several files, one file after the other."""

    def numbered(frames: list[pl.DataFrame]) -> pl.DataFrame:
        shifted = [
            frame.with_columns(pl.lit(i, dtype=pl.UInt32).alias(FILE))
            for i, frame in enumerate(frames)
        ]
        return pl.concat(shifted)

    return RawBars(
        tuple(file for part in parts for file in part.files),
        numbered([part.bars for part in parts]),
        numbered([part.unread for part in parts]),
        tuple(note for part in parts for note in part.notes),
    )


_NOTHING_UNREAD = pl.DataFrame(
    schema={FILE: pl.UInt32, ROW: pl.UInt32, "column": pl.String, "text": pl.String}
)


def _unread(bars: pl.DataFrame, column: str, text: pl.Series) -> pl.DataFrame:
    chosen = bars[column].is_null()
    return pl.DataFrame(
        {
            ROW: bars[ROW].filter(chosen).cast(pl.UInt32),
            "column": pl.Series([column], dtype=pl.String).new_from_index(0, int(chosen.sum())),
            "text": text.filter(chosen).cast(pl.String),
        }
    )


def _is_newest_first(bars: pl.DataFrame) -> bool:
    if len(bars) < NEWEST_FIRST_BARS_MIN:
        return False
    first, last = bars["ts"].drop_nulls().head(1), bars["ts"].drop_nulls().tail(1)
    if not len(first) or first[0] <= last[0]:
        return False
    steps = bars.select(pl.col("ts").diff().over("symbol")).to_series().drop_nulls()
    return len(steps) >= NEWEST_FIRST_BARS_MIN - 1 and bool((steps <= 0).all())
