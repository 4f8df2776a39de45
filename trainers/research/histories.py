"""Bar tables as histories: the columns that research runs over."""

import numpy as np
import polars as pl

from engine.backtests.bar_history import BarHistory
from streams.errors import ConfigError
from streams.source import read_bars
from streams.source_settings import SourceSettings

_VALUES = ("open", "high", "low", "close", "volume")


def history_of(table: pl.DataFrame) -> BarHistory:
    """Return a bar table (`streams/sources/table.py`) as a history.

    Raises ConfigError for a table of several intervals, or of none.
    """
    intervals = table["interval"].unique().sort().to_list()
    if len(intervals) != 1:
        raise ConfigError(f"a history has bars of one interval, was {intervals}")
    ordered = table.sort("symbol", "ts")
    counts = ordered.group_by("symbol", maintain_order=True).len()
    starts = np.concatenate(([0], np.cumsum(counts["len"].to_numpy()))).astype(np.int64)
    return BarHistory(
        symbols=tuple(counts["symbol"].to_list()),
        interval=str(intervals[0]),
        starts=starts,
        ts=np.ascontiguousarray(ordered["ts"].to_numpy(), dtype=np.int64),
        values=np.ascontiguousarray(ordered.select(_VALUES).to_numpy(), dtype=np.float64),
    )


def read_history(settings: SourceSettings) -> BarHistory:
    """Return the bars that `settings` describe. Errors as `streams.source.read_bars`."""
    return history_of(read_bars(settings))
