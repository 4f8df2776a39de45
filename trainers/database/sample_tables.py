"""The tables of the feature database, and how they came to be.

Version 1 was a SQLite file with `PRAGMA user_version` and no record of migrations; a sample was
unique by (strategy, signal_id, source). Version 2 adds what a sample comes from, and parameters to
what makes it unique.

A migration is never changed: it has tables of its own.
"""

from typing import Any

from sqlalchemy import Column, Connection, Identity, Index, MetaData, Table, UniqueConstraint, text

from trainers.database.engine import BYTES, FLOAT64, INT64, TEXT, is_sqlite

SCHEMA = "samples"


def _text(*names: str) -> list[Column[Any]]:
    return [Column(name, TEXT, nullable=False) for name in names]


def _figures() -> list[Column[Any]]:
    return [
        *_text("strategy", "signal_id", "source", "symbol"),
        *(Column(name, INT64, nullable=False) for name in ("ts", "entry_ts", "exit_ts", "side")),
        Column("score", FLOAT64, nullable=False),
        Column("y_binary", INT64, nullable=False),
        *(Column(name, FLOAT64, nullable=False) for name in ("y_return", "r_multiple", "pnl_net")),
        Column("vector", BYTES, nullable=False),
        *_text("features_digest"),
        Column("probability", FLOAT64),
        Column("model", TEXT),
        *_text("params_digest", "data_digest"),
    ]


_metadata = MetaData()

vector_names = Table(
    "vector_names",
    _metadata,
    Column("features_digest", TEXT, primary_key=True),
    *_text("names"),
)
samples = Table(
    "samples",
    _metadata,
    Column("id", INT64, Identity(), primary_key=True),
    *_figures(),
    *_text("code_version"),
    UniqueConstraint("strategy", "signal_id", "source", "params_digest", name="samples_are_unique"),
    sqlite_strict=True,
)
"""`id` grows in the order in which samples came in."""

parameter_sets = Table(
    "parameter_sets",
    _metadata,
    Column("params_digest", TEXT, primary_key=True),
    *_text("params"),
    sqlite_strict=True,
)
data_sets = Table(
    "data_sets",
    _metadata,
    Column("data_digest", TEXT, primary_key=True),
    *_text("source", "symbols"),
    *(Column(name, INT64, nullable=False) for name in ("from_ts", "to_ts", "bars")),
    sqlite_strict=True,
)
Index("samples_in_time", samples.c.strategy, samples.c.source, samples.c.ts, samples.c.signal_id)


def _create_version_1(connection: Connection) -> None:
    metadata = MetaData()
    names = [Column("features_digest", TEXT, primary_key=True), *_text("names")]
    Table("vector_names", metadata, *names)
    columns = _figures()
    for column in columns[:3]:
        column.primary_key = True
    Table("samples", metadata, *columns)
    # Version 1 made its tables one by one: some may stand.
    metadata.create_all(connection)


def _add_provenance(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE samples RENAME TO samples_1"))
    for table in (samples, parameter_sets, data_sets):
        table.create(connection)
    columns = ", ".join(column.name for column in _figures())
    order = "rowid" if is_sqlite(connection) else "ts, signal_id"
    connection.execute(
        text(
            f"INSERT INTO samples ({columns}, code_version) "  # noqa: S608
            f"SELECT {columns}, '' FROM samples_1 ORDER BY {order}"
        )
    )
    connection.execute(text("DROP TABLE samples_1"))
    if is_sqlite(connection):
        # A program that knows version 1 alone looks here, and refuses.
        connection.execute(text("PRAGMA user_version = 2"))


MIGRATIONS = (_create_version_1, _add_provenance)


def unrecorded_version(connection: Connection) -> int:
    """Return the version of a file from before migrations were recorded, 0 for a new one."""
    if not is_sqlite(connection):
        return 0
    return int(connection.execute(text("PRAGMA user_version")).scalar_one())
