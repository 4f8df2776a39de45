"""The feature database: every sample that was ever served and labelled, once.

SQLite in WAL mode, so that a training job reads while the collector writes. A sample is unique by
(strategy, signal_id, source); adding it again changes nothing. Vectors are float32
little-endian blobs, in the order that their digest names; the names are stored once per digest.

Sources: `virtual`, the label of the rule; `real`, the label of the engine's own trade.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.vector import digest_of
from streams.errors import DataError
from trainers.dataset import Dataset
from trainers.sample import Sample

SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 30.0

_COLUMNS = tuple(field.name for field in msgspec.structs.fields(Sample))
_SCHEMA = """
CREATE TABLE IF NOT EXISTS vector_names (
    features_digest TEXT PRIMARY KEY,
    names TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS samples (
    strategy TEXT NOT NULL,
    signal_id TEXT NOT NULL,
    source TEXT NOT NULL,
    symbol TEXT NOT NULL,
    ts INTEGER NOT NULL,
    entry_ts INTEGER NOT NULL,
    exit_ts INTEGER NOT NULL,
    side INTEGER NOT NULL,
    score REAL NOT NULL,
    y_binary INTEGER NOT NULL,
    y_return REAL NOT NULL,
    r_multiple REAL NOT NULL,
    pnl_net REAL NOT NULL,
    vector BLOB NOT NULL,
    features_digest TEXT NOT NULL,
    probability REAL,
    model TEXT,
    params_digest TEXT NOT NULL,
    data_digest TEXT NOT NULL,
    PRIMARY KEY (strategy, signal_id, source)
);
CREATE INDEX IF NOT EXISTS samples_by_time ON samples (strategy, source, ts, signal_id);
"""
_INSERT = (
    f"INSERT INTO samples ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "  # noqa: S608
    "ON CONFLICT DO NOTHING"
)
_READ = """
SELECT signal_id, symbol, ts, entry_ts, exit_ts, y_binary, r_multiple, vector, features_digest
FROM samples
WHERE strategy = ? AND source = ? AND (? IS NULL OR symbol = ?)
    AND ts BETWEEN ? AND ? AND exit_ts <= ?
ORDER BY ts, signal_id
"""
_INT64_MAX = 2**63 - 1


class FeatureDatabase:
    """An open feature database; a context manager. Not for use from two threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._telling():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)
            self._prepare()

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
        """Close the file."""
        self._connection.close()

    def register_names(self, names: Sequence[str]) -> str:
        """Remember the names of a vector and return their digest."""
        digest = digest_of(tuple(names))
        with self._telling(), self._connection:
            self._connection.execute(
                "INSERT INTO vector_names VALUES (?, ?) ON CONFLICT DO NOTHING",
                (digest, "\n".join(names)),
            )
        return digest

    def names_of(self, features_digest: str) -> tuple[str, ...] | None:
        """Return the names behind a digest, or None when it was never registered."""
        rows = self._rows(
            "SELECT names FROM vector_names WHERE features_digest = ?", features_digest
        )
        return tuple(rows[0][0].split("\n")) if rows else None

    def add(self, samples: Iterable[Sample]) -> int:
        """Add samples in one transaction; return how many were new."""
        before = self._connection.total_changes
        with self._telling(), self._connection:
            self._connection.executemany(_INSERT, map(msgspec.structs.astuple, samples))
        return self._connection.total_changes - before

    def count(self, strategy: str, source: str = "virtual") -> int:
        """Return how many samples of a strategy there are."""
        query = "SELECT count(*) FROM samples WHERE strategy = ? AND source = ?"
        return int(self._rows(query, strategy, source)[0][0])

    def newest_exit_ts(self, strategy: str, source: str = "virtual") -> int:
        """Return the newest instant at which a label of a strategy became known, 0 for none."""
        query = "SELECT coalesce(max(exit_ts), 0) FROM samples WHERE strategy = ? AND source = ?"
        return int(self._rows(query, strategy, source)[0][0])

    def read(
        self,
        strategy: str,
        names: Sequence[str],
        *,
        symbol: str | None = None,
        source: str = "virtual",
        from_ts: int = 0,
        to_ts: int = _INT64_MAX,
        known_by_ts: int = _INT64_MAX,
    ) -> Dataset:
        """Return the samples with ts in [from_ts, to_ts] whose labels were known by a time.

        The columns are `names`, in that order, float32; a vector served under other names gives
        what it has of them and NaN for the rest. Raises DataError for a vector whose names were
        never registered, or whose length is not theirs.
        """
        rows = self._rows(_READ, strategy, source, symbol, symbol, from_ts, to_ts, known_by_ts)
        columns = list(zip(*rows, strict=True)) or [()] * 9
        ids, symbols, ts, entry_ts, exit_ts, y, r_multiple, vectors, digests = columns
        return Dataset(
            names=tuple(names),
            signal_ids=np.array(ids, dtype=np.str_),
            symbols=np.array(symbols, dtype=np.str_),
            ts=np.array(ts, dtype=np.int64),
            entry_ts=np.array(entry_ts, dtype=np.int64),
            exit_ts=np.array(exit_ts, dtype=np.int64),
            x=self._matrix(vectors, digests, tuple(names)),
            y=np.array(y, dtype=np.int8),
            r_multiple=np.array(r_multiple, dtype=np.float64),
        )

    def _rows(self, query: str, *values: str | int | None) -> list[Any]:
        with self._telling():
            return self._connection.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Say of a file that is no database, corrupt or held by others what can be done."""
        try:
            yield
        except (OSError, sqlite3.DatabaseError) as error:
            raise DataError(
                f"the feature database {self.path} cannot be used: {error}; name another file "
                "(ml_data_collection.db_path) or move this one away"
            ) from error

    def _matrix(
        self, vectors: Sequence[bytes], digests: Sequence[str], names: tuple[str, ...]
    ) -> NDArray[np.float32]:
        x = np.full((len(vectors), len(names)), np.nan, dtype=np.float32)
        places: dict[str, tuple[int, NDArray[np.int64], NDArray[np.int64]]] = {}
        for row, (vector, digest) in enumerate(zip(vectors, digests, strict=True)):
            if digest not in places:
                places[digest] = self._places(digest, names)
            width, theirs, ours = places[digest]
            if len(vector) != 4 * width:
                raise DataError(
                    f"a vector of {digest[:12]} must have {width} float32 values, has "
                    f"{len(vector)} bytes ({self.path}): the file was written by something else"
                )
            x[row, ours] = np.frombuffer(vector, dtype="<f4")[theirs]
        return x

    def _places(
        self, digest: str, names: tuple[str, ...]
    ) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
        """How a vector of `digest` is laid out: its width, and which value goes where."""
        stored = self.names_of(digest)
        if stored is None:
            raise DataError(
                f"the names of vectors {digest[:12]} are not in {self.path}: collect with the "
                "configuration that served them"
            )
        position = {name: place for place, name in enumerate(stored)}
        shared = [(position[name], ours) for ours, name in enumerate(names) if name in position]
        pairs = np.array(shared, dtype=np.int64).reshape(-1, 2)
        return len(stored), pairs[:, 0], pairs[:, 1]

    def _prepare(self) -> None:
        connection = self._connection
        # Refused at once while another process does the same; the mode belongs to the file.
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        version: Any = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, SCHEMA_VERSION):
            raise sqlite3.DatabaseError(
                f"its schema has version {version}, this program knows {SCHEMA_VERSION}"
            )
        if version == SCHEMA_VERSION:
            return
        with connection:
            connection.executescript(_SCHEMA)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
