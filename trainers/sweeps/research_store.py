"""The research store: every run of every sweep, once, in a SQLite file or on a PostgreSQL server.

A run is known by its key (`trainers.sweeps.sweep_run`); adding it again changes nothing, so any
number of sweeps may write into one store at the same time. Parameters and figures are kept as
JSON; a sweep's plan is kept beside its runs.
"""

import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from sqlalchemy import Column, Connection, MetaData, Table, func, inspect, select

from streams.errors import DataError
from trainers.database.engine import INT64, TEXT, insert_new, open_database, reading, writing
from trainers.database.location import is_url, name_of
from trainers.database.migration import migrate
from trainers.statistics.performance import Performance
from trainers.sweeps.sweep_run import Run

KEYS_ASKED_MAX = 500
"""How many keys are looked up in one statement."""

_METADATA = MetaData()
_SWEEPS = Table(
    "research_sweeps",
    _METADATA,
    Column("digest", TEXT, primary_key=True),
    Column("plan", TEXT, nullable=False),
    Column("started_ts", INT64, nullable=False),
    sqlite_strict=True,
)
_RUNS = Table(
    "research_runs",
    _METADATA,
    Column("key", TEXT, primary_key=True),
    Column("sweep", TEXT, nullable=False),
    Column("recorded_ts", INT64, nullable=False),
    Column("strategy", TEXT, nullable=False),
    Column("symbol", TEXT, nullable=False),
    Column("interval", TEXT, nullable=False),
    Column("params", TEXT, nullable=False),
    Column("data_digest", TEXT, nullable=False),
    Column("started_ts", INT64, nullable=False),
    Column("ended_ts", INT64, nullable=False),
    Column("code_version", TEXT, nullable=False),
    Column("trades", INT64, nullable=False),
    Column("performance", TEXT, nullable=False),
    sqlite_strict=True,
)
_RUN_COLUMNS = tuple(_RUNS.c[name] for name in Run.__struct_fields__)
_decode_performance = msgspec.json.Decoder(Performance).decode


def _create(connection: Connection) -> None:
    _METADATA.create_all(connection)


MIGRATIONS = (_create,)


class ResearchStore:
    """An open research store; a context manager. Not for use from two threads.

    Raises DataError for a location that is none, or cannot be used; with `must_exist` also where
    nothing was ever stored.
    """

    def __init__(self, location: str | Path, *, must_exist: bool = False) -> None:
        self.name = name_of(location)
        if must_exist and not is_url(location) and not Path(location).is_file():
            raise DataError(
                f"there is no research store {self.name}: assay sweep --db {self.name} makes one"
            )
        self._engine = open_database(location, title="research store")
        if must_exist:
            with reading(self._engine) as connection:
                is_store = inspect(connection).has_table(_RUNS.name)
            if not is_store:
                raise DataError(
                    f"{self.name} is no research store, it has no table {_RUNS.name}: name the "
                    "--db that assay sweep was given"
                )
        migrate(self._engine, "research", MIGRATIONS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def add_sweep(self, digest: str, plan: str, started_ts: int) -> None:
        """Keep a sweep's plan, JSON text; one that is known stays as it is."""
        row = {"digest": digest, "plan": plan, "started_ts": started_ts}
        with writing(self._engine) as connection:
            insert_new(connection, _SWEEPS, [row])

    def add(self, runs: Iterable[Run], *, sweep: str, recorded_ts: int) -> int:
        """Keep runs, all of them or none; return how many are new."""
        rows = [_row_of(run, sweep, recorded_ts) for run in runs]
        with writing(self._engine) as connection:
            return insert_new(connection, _RUNS, rows)

    def finished(self, keys: Iterable[str]) -> set[str]:
        """Return which of the runs are there."""
        asked = iter(keys)
        found: set[str] = set()
        with reading(self._engine) as connection:
            while part := list(itertools.islice(asked, KEYS_ASKED_MAX)):
                query = select(_RUNS.c.key).where(_RUNS.c.key.in_(part))
                found.update(connection.execute(query).scalars())
        return found

    def count(self) -> int:
        """Return how many runs there are."""
        with reading(self._engine) as connection:
            return int(connection.execute(select(func.count()).select_from(_RUNS)).scalar_one())

    def runs(self) -> list[Run]:
        """Return all runs in the order in which their sweeps began, then by key."""
        query = select(*_RUN_COLUMNS).order_by(_RUNS.c.recorded_ts, _RUNS.c.key)
        with reading(self._engine) as connection:
            return [_run_of(row) for row in connection.execute(query).mappings()]

    def plans(self) -> dict[str, str]:
        """Return the plans of all sweeps, JSON text, by their digests."""
        query = select(_SWEEPS.c.digest, _SWEEPS.c.plan).order_by(_SWEEPS.c.digest)
        with reading(self._engine) as connection:
            return {row.digest: row.plan for row in connection.execute(query)}


def _row_of(run: Run, sweep: str, recorded_ts: int) -> dict[str, Any]:
    fields = msgspec.structs.asdict(run)
    performance = msgspec.json.encode(fields.pop("performance")).decode()
    return fields | {
        "performance": performance,
        "trades": run.performance.trades,
        "sweep": sweep,
        "recorded_ts": recorded_ts,
    }


def _run_of(values: Mapping[Any, Any]) -> Run:
    return Run(**{**values, "performance": _decode_performance(values["performance"])})
