"""From training frames and files to the samples a model is trained on.

    samples = dataset_of_frame(read_training_data("ES_breakout_training_data.parquet"))

A frame also holds the strategy's own indicators. The scorer serves none of them: a model that
learned from one would be refused where it is to speak. So the columns are those of the served
vector, unless others are asked for by name.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.feature_set import families
from models.vector import vector_names
from streams.errors import DataError
from trainers.dataset import Dataset
from trainers.extraction.training_frame import INSTANT, OUTCOME_COLUMNS, ROW_COLUMNS, learnable

NAMED_MAX = 5
CLASSES = (0, 1)

_SIDE = "side"
_ENTRY, _EXIT = "Date/Time", "Exit Date/Time"
_SPAN = ("label_start", _ENTRY, "label_end")
_NEEDED = ("signal_id", "symbol", *_SPAN, "y_binary", "r_multiple")
_PARQUET = (".parquet", ".pq")


def dataset_of_frame(frame: pl.DataFrame, names: Sequence[str] | None = None) -> Dataset:
    """Return the rows of a training frame as samples, ordered by (ts, signal_id).

    The columns are `names`, in that order; by default those that the scorer serves, in its order.
    The samples are those that the feature database has of the same trades, bit for bit. Raises
    DataError for a column that lacks, cannot be used or is an outcome, and for a signal or a name
    that is there twice.
    """
    chosen = served_names(frame) if names is None else tuple(names)
    _refuse_missing(frame, (*_NEEDED, *chosen))
    _refuse_outcomes(frame, chosen)
    if not chosen:
        raise DataError(
            "the training data have no column that the scorer serves, such as 'ibs' or "
            "'signal_score': extract them again, or name the columns to learn from"
        )
    for name in _NEEDED:
        _refuse_empty(frame, name)
    ordered = frame.sort("label_start", "signal_id")
    ts, entry_ts, exit_ts = (_instants(ordered[name]) for name in _SPAN)
    y = _numbers(ordered["y_binary"], pl.Float64())
    r_multiple = _numbers(ordered["r_multiple"], pl.Float64())
    ids = ordered["signal_id"].cast(pl.String)
    is_spanned = np.maximum(ts, entry_ts) <= exit_ts
    _refuse_rows(ids, ~is_spanned, "label_end must not be before label_start or Date/Time")
    _refuse_rows(ids, ~np.isin(y, CLASSES), "y_binary must be 0 or 1")
    _refuse_rows(ids, ~np.isfinite(r_multiple), "r_multiple must be a finite number")
    _refuse_rows(ids, ids.is_duplicated().to_numpy(), "signal_id must be there once")
    x = np.empty((len(ordered), len(chosen)), dtype=np.float32)
    for place, name in enumerate(chosen):
        x[:, place] = _numbers(ordered[name], pl.Float32())
    return Dataset(
        names=chosen,
        signal_ids=np.array(ids.to_list(), dtype=np.str_),
        symbols=np.array(ordered["symbol"].cast(pl.String).to_list(), dtype=np.str_),
        ts=ts,
        entry_ts=entry_ts,
        exit_ts=exit_ts,
        x=x,
        y=y.astype(np.int8),
        r_multiple=r_multiple,
    )


def served_names(frame: pl.DataFrame) -> tuple[str, ...]:
    """Return the columns of a training frame that the scorer serves too, in its order."""
    features = [feature.name for family in families() for feature in family.FEATURES]
    return tuple(name for name in vector_names(features, ()) if name in frame.columns)


def read_training_data(path: str | Path) -> pl.DataFrame:
    """Return a training file as the frame it was written from; `.parquet`, or else CSV.

    Raises DataError for a file that is missing, cannot be read, or holds what is not a number.
    """
    file = Path(path)
    try:
        if file.suffix.lower() in _PARQUET:
            return pl.read_parquet(file)
        return _read_csv(file)
    except (OSError, pl.exceptions.PolarsError) as error:
        detail = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise DataError(
            f"training data cannot be read from {file}: {detail[:300]}; make them with assay "
            "extract"
        ) from None


def _read_csv(file: Path) -> pl.DataFrame:
    header = pl.read_csv(file, n_rows=0)
    told = {**OUTCOME_COLUMNS, **ROW_COLUMNS}
    kinds = {name: told[name] for name in header.columns if name in told}
    schema: dict[str, pl.DataType] = {
        name: pl.String() if kind == INSTANT else kind for name, kind in kinds.items()
    }
    schema |= dict.fromkeys(served_names(header), pl.Float32())
    # A value that is read as a double and then rounded to a float need not be the one written.
    frame = pl.read_csv(file, schema_overrides=schema, infer_schema_length=None)
    times = [pl.col(name) for name, kind in kinds.items() if kind == INSTANT]
    empty = [name for name in frame.columns if frame[name].null_count() == len(frame)]
    nothing = [pl.col(name).cast(pl.Float64) for name in empty if name not in schema]
    return frame.with_columns(
        *(time.str.to_datetime(time_unit="ns", time_zone="UTC") for time in times), *nothing
    )


def _refuse_missing(frame: pl.DataFrame, wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        more = f" and {len(missing) - NAMED_MAX} more" if len(missing) > NAMED_MAX else ""
        raise DataError(
            f"the training data lack the columns {', '.join(missing[:NAMED_MAX])}{more}: make "
            "them with assay extract or FeatureExtractor"
        )


def _refuse_outcomes(frame: pl.DataFrame, chosen: Sequence[str]) -> None:
    for place, name in enumerate(chosen):
        if name in chosen[:place]:
            raise DataError(f"column {name} is named twice: a feature is learned from once")
        if name not in learnable(frame) and name != _SIDE:
            raise DataError(
                f"column {name} is told of a trade, not known when its signal is made: learn from "
                "others"
            )


def _refuse_empty(frame: pl.DataFrame, name: str) -> None:
    if frame[name].null_count():
        row = int(frame[name].is_null().arg_true()[0])
        raise DataError(
            f"column {name} must have a value in every row, row {row + 1} has none "
            f"({frame[name].null_count()} of {len(frame)}): leave trades out that are still open"
        )


def _refuse_rows(ids: pl.Series, is_wrong: NDArray[np.bool_], rule: str) -> None:
    wrong = np.flatnonzero(is_wrong)
    if wrong.size:
        raise DataError(
            f"{rule}: signal {ids[int(wrong[0])]} is not so ({wrong.size} of {len(ids)} rows); "
            "look where the rows come from"
        )


def _instants(column: pl.Series) -> NDArray[np.int64]:
    """Return instants as UTC nanoseconds; whole numbers are taken to be such."""
    kind = column.dtype
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        try:
            column = column.dt.cast_time_unit("ns").cast(pl.Int64)
        except pl.exceptions.PolarsError:
            raise DataError(
                f"column {column.name} must be instants of the years 1678 to 2261, was from "
                f"{column.min()!s} to {column.max()!s}: look where the rows come from"
            ) from None
    elif kind != pl.Int64:
        raise DataError(
            f"column {column.name} must be instants with a time zone, or int64 UTC nanoseconds, "
            f"was {kind}: say of which zone they are with dt.replace_time_zone"
        )
    return np.array(column.cast(pl.Int64).to_numpy(), dtype=np.int64)


def _numbers(column: pl.Series, kind: pl.DataType) -> NDArray[Any]:
    """Return a column of numbers, NaN where there is none."""
    if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null)):
        raise DataError(f"column {column.name} must be numbers, was {column.dtype}")
    return np.array(column.cast(kind).fill_null(float("nan")).to_numpy())
