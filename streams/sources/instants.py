"""Bar tables as instants: the bars that became known together, in the order they did."""

from collections.abc import Iterator

import polars as pl

from streams.events import Bar
from streams.sources.table import COLUMNS, BarTable

ROWS_DECODED_MAX = 16_384


def frames(table: BarTable) -> Iterator[list[Bar]]:
    """Yield the bars of `table`, one instant of one interval at a time, by (ts, symbol).

    Memory is bounded: at most ROWS_DECODED_MAX rows and one instant are decoded at a time.
    """
    ordered = table.select(COLUMNS).sort("ts", "interval", "symbol")
    frame: list[Bar] = []
    for chunk in ordered.iter_slices(ROWS_DECODED_MAX):
        for bar in _bars(chunk):
            if frame and (bar.ts != frame[0].ts or bar.interval != frame[0].interval):
                yield frame
                frame = []
            frame.append(bar)
    if frame:
        yield frame


def merged(tables: list[BarTable]) -> BarTable:
    """Return several tables (other intervals, other symbols) as one, by (ts, symbol)."""
    return pl.concat(tables).sort("ts", "symbol")


def _bars(chunk: pl.DataFrame) -> Iterator[Bar]:
    columns = [chunk[name].to_list() for name in COLUMNS]
    for row in zip(*columns, strict=True):
        yield Bar(*row)
