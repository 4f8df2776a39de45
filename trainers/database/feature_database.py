"""The feature database: every sample that was ever served and labelled, once.

A SQLite file or a PostgreSQL database (`trainers/database/engine.py`): a training job reads while
the collector writes. A sample is unique by (strategy, signal_id, source, params_digest); adding it
again changes nothing. Vectors are float32 little-endian blobs, in the order that their digest
names; names, parameters and bars are described once per digest.

Sources: `virtual`, the label of the rule; `real`, the label of the engine's own trade.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np
from sqlalchemy import Connection, Select, Table, func, select

from engine.context_settings import NO_CONTEXT, ContextSettings
from engine.settings import StrategySettings
from models.vector import digest_of
from trainers.database import sample_tables as tables
from trainers.database.engine import called, insert_new, open_database, reading, writing
from trainers.database.migration import migrate
from trainers.database.provenance import DataSet, digest_of_json, params_of, to_json
from trainers.database.sample_choice import INT64_MAX, SampleChoice
from trainers.database.vector_layout import VectorLayout
from trainers.dataset import Dataset
from trainers.sample import Sample

REMEDY = (
    "name another file or server (ml_data_collection.db_path), or move a file that is broken away"
)
LOOK_UP_MAX = 1_000
"""How many signals are looked up at once."""

_READ = (
    "signal_id",
    "symbol",
    "ts",
    "entry_ts",
    "exit_ts",
    "y_binary",
    "r_multiple",
    "vector",
    "features_digest",
)
_CONTENT = ("signal_id", "source", "entry_ts", "exit_ts", "y_binary", "r_multiple", "vector")


class FeatureDatabase:
    """An open feature database; a context manager. Not for use from two threads.

    `location` is a path or a PostgreSQL URL. Raises DataError for one that cannot be used.
    """

    def __init__(self, location: str | Path) -> None:
        self._engine = open_database(location, title="feature database", remedy=REMEDY)
        try:
            migrate(
                self._engine,
                tables.SCHEMA,
                tables.MIGRATIONS,
                unrecorded=tables.unrecorded_version,
            )
        except BaseException:
            self._engine.dispose()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, or the connections."""
        self._engine.dispose()

    @property
    def title(self) -> str:
        """What messages call it, without its password."""
        return called(self._engine)

    def register_names(self, names: Sequence[str]) -> str:
        """Remember the names of a vector and return their digest."""
        digest = digest_of(tuple(names))
        self._register(tables.vector_names, {"features_digest": digest, "names": "\n".join(names)})
        return digest

    def register_params(
        self, settings: StrategySettings, context: ContextSettings = NO_CONTEXT
    ) -> str:
        """Remember the parameters of a strategy and return their digest (`params_digest_of`)."""
        params = params_of(settings, context)
        digest = digest_of_json(params)
        self._register(tables.parameter_sets, {"params_digest": digest, "params": to_json(params)})
        return digest

    def register_data(self, data: DataSet) -> str:
        """Remember what bars samples are made of and return their digest."""
        row = msgspec.structs.asdict(data)
        row |= {"source": to_json(data.source), "symbols": to_json(data.symbols)}
        self._register(tables.data_sets, row)
        return data.data_digest

    def names_of(self, features_digest: str) -> tuple[str, ...] | None:
        """Return the names behind a digest, or None when it was never registered."""
        query = select(tables.vector_names.c.names).where(
            tables.vector_names.c.features_digest == features_digest
        )
        names = self._scalar(query)
        return None if names is None else tuple(names.split("\n"))

    def add(self, samples: Iterable[Sample]) -> int:
        """Add samples in one transaction; return how many were new."""
        with writing(self._engine) as connection:
            return _insert(connection, samples)

    def add_unseen(self, samples: Sequence[Sample]) -> int:
        """As `add`, but leave out what stands there bit for bit under other parameters.

        For samples that may be older than the parameters that they are added under.
        """
        with writing(self._engine) as connection:
            parts = range(0, len(samples), LOOK_UP_MAX)
            return sum(
                _insert(connection, _unseen(connection, samples[start : start + LOOK_UP_MAX]))
                for start in parts
            )

    def count(self, strategy: str, source: str = "virtual") -> int:
        """Return how many samples of a strategy there are, over all its parameter sets."""
        return int(self._scalar(_of(func.count(), strategy, source)))

    def count_known(
        self, strategy: str, symbol: str | None, *, from_ts: int, known_by_ts: int
    ) -> int:
        """Return of how many signals with ts >= `from_ts` the label was known by a time."""
        choice = SampleChoice(
            strategy=strategy, symbol=symbol, from_ts=from_ts, known_by_ts=known_by_ts
        )
        return int(self._scalar(choice.counted()))

    def newest_exit_ts(self, strategy: str, source: str = "virtual") -> int:
        """Return the newest instant at which a label of a strategy became known, 0 for none."""
        newest = func.coalesce(func.max(tables.samples.c.exit_ts), 0)
        return int(self._scalar(_of(newest, strategy, source)))

    def read(
        self,
        strategy: str,
        names: Sequence[str],
        *,
        symbol: str | None = None,
        source: str = "virtual",
        from_ts: int = 0,
        to_ts: int = INT64_MAX,
        known_by_ts: int = INT64_MAX,
        params_digest: str | None = None,
        preferred_digest: str = "",
    ) -> Dataset:
        """Return the samples with ts in [from_ts, to_ts] whose labels were known by a time.

        The columns are `names`, in that order, float32; a vector served under other names gives
        what it has of them and NaN for the rest. Raises DataError for a vector whose names were
        never registered, or whose length is not theirs.

        With `params_digest` only the samples of those parameters; without it one sample of each
        signal: that of `preferred_digest`, else the one that came in last.
        """
        choice = SampleChoice(
            strategy=strategy,
            source=source,
            symbol=symbol,
            from_ts=from_ts,
            to_ts=to_ts,
            known_by_ts=known_by_ts,
            params_digest=params_digest,
            preferred_digest=preferred_digest,
        )
        with reading(self._engine) as connection:
            rows = connection.execute(choice.query(*_READ)).all()
        columns: Any = list(zip(*rows, strict=True)) or [()] * len(_READ)
        ids, symbols, ts, entry_ts, exit_ts, y, r_multiple, vectors, digests = columns
        return Dataset(
            names=tuple(names),
            signal_ids=np.array(ids, dtype=np.str_),
            symbols=np.array(symbols, dtype=np.str_),
            ts=np.array(ts, dtype=np.int64),
            entry_ts=np.array(entry_ts, dtype=np.int64),
            exit_ts=np.array(exit_ts, dtype=np.int64),
            x=self.layout(names).matrix(vectors, digests),
            y=np.array(y, dtype=np.int8),
            r_multiple=np.array(r_multiple, dtype=np.float64),
        )

    def layout(self, names: Sequence[str]) -> VectorLayout:
        """Return what turns stored vectors into a matrix of the columns `names`."""
        return VectorLayout(tuple(names), self.names_of, self.title)

    def batches(
        self, choice: SampleChoice, columns: Sequence[str], rows_max: int
    ) -> Iterator[Sequence[Any]]:
        """Yield the chosen samples' `columns`, in the order of (ts, signal_id), in parts.

        One state of the database, of which no more than a part is in memory.
        """
        with reading(self._engine) as connection:
            found = connection.execution_options(yield_per=rows_max).execute(choice.query(*columns))
            yield from found.partitions()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection that reads one state of the database; raises DataError."""
        with reading(self._engine) as connection:
            yield connection

    def _register(self, table: Table, row: dict[str, Any]) -> None:
        with writing(self._engine) as connection:
            insert_new(connection, table, [row])

    def _scalar(self, query: Select[Any]) -> Any:
        with reading(self._engine) as connection:
            return connection.execute(query).scalar()


def _insert(connection: Connection, samples: Iterable[Sample]) -> int:
    return insert_new(connection, tables.samples, map(msgspec.structs.asdict, samples))


def _unseen(connection: Connection, samples: Sequence[Sample]) -> list[Sample]:
    """Leave out the samples whose content stands there under other parameters."""
    table = tables.samples
    seen: set[tuple[Any, ...]] = set()
    for strategy, digest in {(sample.strategy, sample.params_digest) for sample in samples}:
        ids = [sample.signal_id for sample in samples if sample.strategy == strategy]
        query = select(table.c.strategy, *(table.c[name] for name in _CONTENT)).where(
            table.c.strategy == strategy,
            table.c.signal_id.in_(ids),
            table.c.params_digest != digest,
        )
        seen.update(tuple(row) for row in connection.execute(query))
    if not seen:
        return list(samples)
    return [sample for sample in samples if _content_of(sample) not in seen]


def _content_of(sample: Sample) -> tuple[Any, ...]:
    return (sample.strategy, *(getattr(sample, name) for name in _CONTENT))


def _of(what: Any, strategy: str, source: str) -> Select[Any]:
    table = tables.samples
    return (
        select(what)
        .select_from(table)
        .where(table.c.strategy == strategy, table.c.source == source)
    )
