"""Label spans: from the signal's own bar to the bar on which its outcome is known."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.errors import DataError

Ints = NDArray[np.int64]


class LabelSpans(NamedTuple):
    """The spans [start_ts, end_ts] of n labels, int64[n] each, UTC ns, both ends included."""

    start_ts: Ints
    end_ts: Ints

    def take(self, rows: NDArray[Any]) -> "LabelSpans":
        """Return the spans of some rows, by number or by mask."""
        return LabelSpans(self.start_ts[rows], self.end_ts[rows])


def label_spans(start_ts: Any, end_ts: Any) -> LabelSpans:
    """Return checked spans of two columns, whole UTC ns or datetime64, in any order of rows.

    Raises DataError where there is no row, the lengths differ, a time is no instant, or a label
    ends before it starts.
    """
    start, end = _instants("start_ts", start_ts), _instants("end_ts", end_ts)
    if start.size != end.size:
        raise DataError(
            f"start_ts and end_ts must be of one length, were {start.size} and {end.size}: give "
            "the signal's bar and the exit's of every sample"
        )
    if not start.size:
        raise DataError("label spans must be 1 or more, was 0: give the samples that are split")
    backward = np.flatnonzero(end < start)
    if backward.size:
        row = int(backward[0])
        raise DataError(
            f"a label must end at its start or later, row {row} was from {start[row]} to "
            f"{end[row]} ({backward.size} of {start.size} rows): look whether the columns are "
            "exchanged"
        )
    return LabelSpans(start, end)


def _instants(name: str, column: Any) -> Ints:
    values = np.asarray(column)
    if values.ndim != 1:
        raise DataError(f"{name} must be one column, was of shape {values.shape}")
    if values.dtype.kind == "M":
        if np.isnat(values).any():
            raise DataError(f"{name} must have an instant in every row: leave open labels out")
        values = values.astype("datetime64[ns]")
    elif values.dtype.kind != "i" and values.size:
        raise DataError(
            f"{name} must be whole UTC nanoseconds or datetime64, was {values.dtype}: leave open "
            "labels out, and turn the column into int64"
        )
    return values.astype(np.int64)
