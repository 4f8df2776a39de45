"""Bar tables as blocks: slices of arrays, no Python object per bar."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from streams.block import BLOCK_BARS_MAX, RUN_BARS_MAX, Block
from streams.columns import BarColumns, Ints
from streams.sources.table import COLUMNS, VALUES, BarTable


def blocks(table: BarTable, span_ns: int | None = None) -> Iterator[Block]:
    """Yield the bars of `table` as blocks that follow one another in time.

    The last instant is a block of its own: as when instants are published, it is the only one
    that no later bar vouches for. With `span_ns`, the delay at which models are retrained, a
    block and the one before it span no more than that: see `_stop`. Where instants stand further
    apart, a block is one instant.
    """
    if table.is_empty():
        return
    rows = _Rows(table)
    starts = rows.starts
    instants = rows.ts[starts[:-1]]
    count = len(instants)
    older = newer = int(instants[0])
    start = 0
    while start < count:
        # As many instants as there is room for; the last of all stands alone.
        full = min(int(rows.full_at[starts[start]]), int(starts[start]) + BLOCK_BARS_MAX)
        stop = min(int(np.searchsorted(starts, full, side="right")) - 1, count - 1)
        stop = max(stop, start + 1)
        if span_ns is not None:
            stop = _stop(instants, start, stop, (older, newer), span_ns)
        yield rows.block(int(starts[start]), int(starts[stop]), stop - start)
        older, newer = newer, int(instants[stop - 1])
        start = stop


def _stop(instants: Ints, start: int, stop: int, before: tuple[int, int], span_ns: int) -> int:
    """Return where a block from `start` on has to end, at `stop` or earlier.

    A role can vouch for a block when it sees the next: while a block goes out, everything up to
    the end of the last but one can be waited for. So its end is at most `span_ns` behind that
    end. The same must hold for the block that follows; where it cannot, for a gap in time, the
    instant before the gap is a block of its own, and all before it can be waited for.
    """
    older, newer = before
    stop = min(stop, int(np.searchsorted(instants, older + span_ns, side="right")))
    stop = max(stop, start + 1)
    has_gap = stop < len(instants) and int(instants[stop]) > newer + span_ns
    return stop - 1 if has_gap and stop - start > 1 else stop


class _Rows:
    """The bars of a table as arrays, by (ts, interval, symbol).

    `starts` is where each instant begins, and behind them the end. `full_at`, by row: a block that
    begins there has no room for that row or any later.
    """

    def __init__(self, table: BarTable) -> None:
        ordered = table.select(COLUMNS).sort("ts", "interval", "symbol")
        self.ts = np.ascontiguousarray(ordered["ts"].to_numpy(), dtype=np.int64)
        self._values = np.ascontiguousarray(ordered.select(VALUES).to_numpy(), dtype=np.float64)
        self._symbols, symbol_codes = _coded(ordered["symbol"])
        self._intervals, self._interval_codes = _coded(ordered["interval"])
        self.starts = np.append(np.unique(self.ts, return_index=True)[1], len(self.ts))
        self._symbol_codes = symbol_codes
        self.full_at = _full_at(symbol_codes * len(self._intervals) + self._interval_codes)

    def block(self, start: int, stop: int, instants: int) -> Block:
        """Return the rows from `start` to `stop`."""
        codes = self._interval_codes[start:stop]
        if len(self._intervals) == 1 or (codes == codes[0]).all():
            frames = [self._frame(slice(start, stop), int(codes[0]))]
        else:
            chosen = [start + np.flatnonzero(codes == code) for code in np.unique(codes)]
            frames = [self._frame(rows, int(self._interval_codes[rows[0]])) for rows in chosen]
            # Intervals are in order of their names, and sorting keeps the order of equals.
            frames.sort(key=lambda frame: -int(frame.ts[-1]))
        return Block(tuple(frames), int(self.ts[start]), int(self.ts[stop - 1]), instants)

    def _frame(self, rows: slice | Ints, interval: int) -> BarColumns:
        codes = self._symbol_codes[rows]
        symbols = tuple(self._symbols[codes].tolist())
        if (codes == codes[0]).all():
            symbols = symbols[:1]
        return BarColumns(symbols, self._intervals[interval], self.ts[rows], self._values[rows])


def _coded(names: pl.Series) -> tuple[np.ndarray, Ints]:
    """Return the different names, sorted, and which of them each row has."""
    known = names.unique().sort()
    codes = names.replace_strict(known, pl.int_range(len(known), eager=True))
    return known.to_numpy().astype(object), codes.to_numpy().astype(np.int64)


def _full_at(series: Ints) -> Ints:
    """Return, for each row, the first that is one too many of a series in a block from there."""
    count = len(series)
    by_series = np.argsort(series, kind="stable")
    full_at = np.full(count, count)
    first, beyond = by_series[:-RUN_BARS_MAX], by_series[RUN_BARS_MAX:]
    same = series[first] == series[beyond]
    full_at[first[same]] = beyond[same]
    return np.minimum.accumulate(full_at[::-1])[::-1]
