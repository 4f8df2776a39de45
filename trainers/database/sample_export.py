"""Samples as one Parquet file, streamed: memory holds EXPORT_ROWS_MAX rows at a time.

Columns: what a sample is (`strategy` to `pnl_net`; instants as UTC with nanoseconds), what scored
it (`probability`, `model`), what it comes from (the digests and `code_version`), then a float32
column per feature; NaN before a feature's warm-up, and where a vector did not have it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from streams.errors import DataError
from trainers.database.feature_database import FeatureDatabase
from trainers.database.sample_choice import SampleChoice

EXPORT_ROWS_MAX = 5_000

_TEXT = dict.fromkeys(("strategy", "source", "signal_id", "symbol"), pl.String())
_INSTANTS = dict.fromkeys(("ts", "entry_ts", "exit_ts"), pl.Datetime("ns", "UTC"))
_LABEL = {"side": pl.Int8(), "score": pl.Float64(), "y_binary": pl.Int8()} | dict.fromkeys(
    ("y_return", "r_multiple", "pnl_net", "probability"), pl.Float64()
)
_PROVENANCE = dict.fromkeys(
    ("model", "params_digest", "data_digest", "code_version", "features_digest"), pl.String()
)
COLUMNS: dict[str, Any] = {**_TEXT, **_INSTANTS, **_LABEL, **_PROVENANCE}
_STORED = {
    name: pl.Int64() if type_.is_integer() or type_.is_temporal() else type_
    for name, type_ in COLUMNS.items()
}


def export_samples(database: FeatureDatabase, path: Path, choice: SampleChoice) -> int:
    """Write the samples of `choice` to `path`, ordered by (ts, signal_id); return how many.

    The file appears whole, in place of one that was there. Raises DataError when nothing is
    chosen, or for vectors whose names were never registered.
    """
    names = feature_names(database, choice)
    schema = COLUMNS | dict.fromkeys(names, pl.Float32())
    trouble: list[BaseException] = []
    written = [0]

    def batches(*_hints: object) -> Iterator[pl.DataFrame]:
        try:
            for frame in _frames(database, choice, names, schema):
                written[0] += len(frame)
                yield frame
        except BaseException as error:
            # The engine that pulls these would say it in its own words.
            trouble.append(error)
            raise

    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        register_io_source(batches, schema=schema).sink_parquet(partial)
        partial.replace(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        if trouble:
            raise trouble[0] from None
        raise DataError(f"samples cannot be written to {path}: {error}") from None
    finally:
        partial.unlink(missing_ok=True)
    return written[0]


def feature_names(database: FeatureDatabase, choice: SampleChoice) -> tuple[str, ...]:
    """Return every feature that the chosen samples' vectors have, those of the newest first.

    Raises DataError where no sample is chosen, where names were never registered, or where a
    feature is called as a column of the export is.
    """
    digests = choice.layouts()
    with database.reading() as connection:
        found: list[str] = list(connection.execute(digests).scalars())
    if not found:
        raise DataError(
            f"there are no samples of strategy {choice.strategy!r} and source {choice.source!r} "
            f"in the {database.title}: see assay samples list"
        )
    names: dict[str, None] = {}
    for digest in found:
        stored = database.names_of(digest)
        if stored is None:
            # Says which, and what to do.
            database.layout(()).matrix([b""], [digest])
        names |= dict.fromkeys(stored or ())
    taken = sorted(COLUMNS.keys() & names.keys())
    if taken:
        raise DataError(f"features {', '.join(taken)} are called as columns of a sample are")
    return tuple(names)


def _frames(
    database: FeatureDatabase,
    choice: SampleChoice,
    names: tuple[str, ...],
    schema: dict[str, Any],
) -> Iterator[pl.DataFrame]:
    layout = database.layout(names)
    chosen = (*COLUMNS, "vector")
    for rows in database.batches(choice, chosen, EXPORT_ROWS_MAX):
        columns: dict[str, Any] = dict(zip(chosen, zip(*rows, strict=True), strict=True))
        x = layout.matrix(columns.pop("vector"), columns["features_digest"])
        told = pl.DataFrame(columns, schema=_STORED).cast(pl.Schema(COLUMNS))
        features = pl.DataFrame(x, schema=list(names), orient="row")
        yield pl.concat([told, features], how="horizontal").select(list(schema))
