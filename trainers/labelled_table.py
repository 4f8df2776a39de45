"""X, y and times as people have them - arrays, frames, columns - as samples.

What is wrong is an UnsoundInput: a DataError, and a ValueError as scikit-learn has it.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from streams.errors import DataError
from trainers.dataset import DAY_NS, Dataset
from trainers.validation.label_spans import LabelSpans, label_spans

NAMED_MAX = 5
SPAN_SHARE = 0.01
"""Without times a label is taken to last this share of the rows."""

Floats = NDArray[np.float64]


class UnsoundInput(DataError, ValueError):
    """Samples that cannot be learned from, or rows that cannot be scored."""


class Times(NamedTuple):
    """When labels start and end, and of which symbol they are; `is_known`: whether by a clock."""

    spans: LabelSpans
    symbols: NDArray[np.str_]
    is_known: bool


@contextlib.contextmanager
def as_value_errors() -> Iterator[None]:
    """Turn a DataError into an UnsoundInput."""
    try:
        yield
    except UnsoundInput:
        raise
    except DataError as error:
        raise UnsoundInput(str(error)) from None


def names_of(table: Any, names: Sequence[str] | None = None) -> tuple[str, ...] | None:
    """Return the names of a table's columns: `names`, else a frame's own, else None."""
    own = getattr(table, "columns", None)
    if names is None:
        if own is None:
            return None
        names = tuple(map(str, own))
    told = tuple(map(str, names))
    width = np.shape(table)[1] if np.ndim(table) == 2 or own is not None else len(told)
    if len(told) != width or len(set(told)) != width:
        raise UnsoundInput(
            f"names must be one of its own for each of {width} columns, were {len(told)}, "
            f"{len(set(told))} of them different"
        )
    return told


def matrix_of(table: Any, wanted: Sequence[str] | None = None) -> NDArray[np.float32]:
    """Return a table's columns as float32 (n, k); of a frame those `wanted`, in that order.

    Raises UnsoundInput where it is no table of numbers, or a wanted column is not there.
    """
    columns = getattr(table, "columns", None)
    if columns is not None and wanted is not None:
        own = {str(column): column for column in columns}
        missing = [name for name in wanted if name not in own]
        if missing:
            raise UnsoundInput(
                f"X lacks {len(missing)} of the {len(wanted)} columns that the model was fitted "
                f"on: {told(missing)}; give a frame that has them"
            )
        table = table[[own[name] for name in wanted]]
    if hasattr(table, "to_numpy") and not hasattr(table, "iloc"):  # pandas' own NA is read there.
        table = table.to_numpy()
    wide = check_array(table, dtype=np.float64, ensure_all_finite=False)
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(wide, dtype=np.float32)


def refuse_unknown(x: NDArray[np.float32], names: Sequence[str], remedy: str) -> None:
    """Raise UnsoundInput that names the columns in which a value is NaN, inf or beyond float32."""
    unknown = ~np.isfinite(x)
    if not unknown.any():
        return
    counts = unknown.sum(axis=0)
    columns = np.flatnonzero(counts)
    parts = [f"{names[column]} in {counts[column]}" for column in columns.tolist()]
    raise UnsoundInput(
        f"X must hold finite numbers, is NaN or inf in {int(unknown.any(axis=1).sum())} of "
        f"{len(x)} rows, first in row {int(unknown.any(axis=1).argmax())}: {told(parts)}; {remedy}"
    )


def times_of(rows: int, start_ts: Any, end_ts: Any, symbols: Any) -> Times:
    """Return when the labels of so many rows start and end; None: in the order they are given."""
    if (start_ts is None) != (end_ts is None):
        raise UnsoundInput("start_ts and end_ts must be given together: a label is a span")
    names = np.full(rows, "") if symbols is None else np.asarray(symbols).astype(np.str_)
    if start_ts is None:
        order = np.arange(rows, dtype=np.int64)
        spans = LabelSpans(order * DAY_NS, (order + int(np.ceil(SPAN_SHARE * rows))) * DAY_NS)
    else:
        with as_value_errors():
            spans = label_spans(start_ts, end_ts)
    for what, column in (("start_ts and end_ts", spans.start_ts), ("symbols", names)):
        if column.shape != (rows,):
            raise UnsoundInput(
                f"{what} must be one for each of {rows} rows, were of shape {column.shape}"
            )
    return Times(spans, names, start_ts is not None)


def dataset_of_table(
    x: NDArray[np.float32], y: NDArray[np.int8], names: tuple[str, ...], times: Times
) -> tuple[Dataset, NDArray[np.int64]]:
    """Return the rows as samples in time order, and the row that each of them was.

    What a row's trade made in R is not known of a table: it is 0.
    """
    start_ts, end_ts = times.spans
    order = np.argsort(start_ts, kind="stable")
    samples = Dataset(
        names=names,
        signal_ids=np.array([f"row-{row}" for row in order.tolist()]),
        symbols=times.symbols[order],
        ts=start_ts[order],
        entry_ts=start_ts[order],
        exit_ts=end_ts[order],
        x=x[order],
        y=y[order],
        r_multiple=np.zeros(len(y)),
    )
    return samples, order


def told(words: Sequence[str]) -> str:
    """Return the first words of a list, and how many more there are."""
    more = f" and {len(words) - NAMED_MAX} more" if len(words) > NAMED_MAX else ""
    return ", ".join(words[:NAMED_MAX]) + more
