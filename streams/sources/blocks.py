"""Bar tables as blocks of runs: slices of arrays, no Python object per bar."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from streams.block import RUN_BARS_MAX, Block
from streams.columns import BarColumns, Ints
from streams.sources.table import COLUMNS, VALUES, BarTable

_NEVER = 2**63 - 1


class _Series(NamedTuple):
    """All bars of one (symbol, interval), by ts."""

    columns: BarColumns

    def bar_behind(self, row: int) -> int:
        """Return the ts of the first bar that a run from `row` on has no room for."""
        ts = self.columns.ts
        return int(ts[row + RUN_BARS_MAX]) if row + RUN_BARS_MAX < len(ts) else _NEVER


def blocks(table: BarTable, span_ns: int | None = None) -> Iterator[Block]:
    """Yield the bars of `table` as blocks that follow one another in time.

    The last instant is a block of its own: as when instants are published, it is the only one
    that no later bar vouches for. With `span_ns`, the delay at which models are retrained, a
    block and the one before it span no more than that: see `_stop`. Where instants stand further
    apart, a block is one instant.
    """
    if table.is_empty():
        return
    series = _series(table)
    instants = np.unique(table["ts"].to_numpy())
    rows = [0] * len(series)
    older = newer = int(instants[0])
    start = 0
    while start < len(instants):
        full_ts = min(one.bar_behind(row) for one, row in zip(series, rows, strict=True))
        stop = min(int(np.searchsorted(instants, full_ts)), len(instants) - 1)
        stop = max(stop, start + 1)
        if span_ns is not None:
            stop = _stop(instants, start, stop, (older, newer), span_ns)
        last_ts = int(instants[stop - 1])
        yield _block(series, rows, int(instants[start]), last_ts, stop - start)
        older, newer = newer, last_ts
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


def _block(
    series: list[_Series], rows: list[int], first_ts: int, last_ts: int, instants: int
) -> Block:
    """Return the runs up to `last_ts` and move `rows` behind them."""
    runs = []
    for number, one in enumerate(series):
        start, ts = rows[number], one.columns.ts
        end = min(start + RUN_BARS_MAX + 1, len(ts))
        stop = start + int(np.searchsorted(ts[start:end], last_ts, side="right"))
        if stop > start:
            runs.append(one.columns.part(start, stop))
            rows[number] = stop
    # The series are in order of their names, and sorting keeps the order of equals.
    runs.sort(key=lambda run: -int(run.ts[-1]))
    return Block(tuple(runs), first_ts, last_ts, instants)


def _series(table: BarTable) -> list[_Series]:
    """Return the series of `table`, by (symbol, interval)."""
    ordered = table.select(COLUMNS).sort("symbol", "interval", "ts")
    found = []
    for (symbol, interval), part in ordered.partition_by(
        "symbol", "interval", maintain_order=True, as_dict=True
    ).items():
        values = np.ascontiguousarray(part.select(VALUES).to_numpy(), dtype=np.float64)
        ts = np.ascontiguousarray(part["ts"].to_numpy(), dtype=np.int64)
        found.append(_Series(BarColumns((str(symbol),), str(interval), ts, values)))
    return found
