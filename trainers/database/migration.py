"""How a schema becomes what the program knows: numbered steps, each recorded where it was done.

A schema has a name, so that several can live in one database. Its version is how many of its
migrations were done. Two processes that open an old database at once wait for one another, and a
migration that is interrupted leaves what was there before.
"""

import hashlib
from collections.abc import Callable, Sequence

from sqlalchemy import Column, Connection, Engine, MetaData, Table, func, inspect, select, text

from streams.errors import DataError
from trainers.database.engine import INT64, TEXT, called, is_sqlite, reading, writing

Migration = Callable[[Connection], None]

_migrations = Table(
    "schema_migrations",
    MetaData(),
    Column("name", TEXT, primary_key=True),
    Column("version", INT64, primary_key=True, autoincrement=False),
    sqlite_strict=True,
)


def migrate(
    engine: Engine,
    name: str,
    migrations: Sequence[Migration],
    *,
    unrecorded: Callable[[Connection], int] = lambda _connection: 0,
) -> int:
    """Do the migrations of schema `name` that are not done yet; return how many that were.

    They are done in one transaction, the n-th making version n. `unrecorded` tells the version of
    a database without a record of the schema. Raises DataError for a database that is newer than
    the program, or cannot be used.
    """
    with reading(engine) as connection:
        if _version(connection, name, unrecorded) == len(migrations):
            return 0
    with writing(engine) as connection:
        if not is_sqlite(connection):
            key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
        version = _version(connection, name, unrecorded)
        if version > len(migrations):
            raise DataError(
                f"the schema {name} of the {called(engine)} has version {version}, this program "
                f"knows {len(migrations)}: use the program that wrote it, or name another database"
            )
        _migrations.create(connection, checkfirst=True)
        for number, step in enumerate(migrations[version:], start=version + 1):
            step(connection)
            connection.execute(_migrations.insert(), {"name": name, "version": number})
        return len(migrations) - version


def _version(connection: Connection, name: str, unrecorded: Callable[[Connection], int]) -> int:
    recorded = 0
    if inspect(connection).has_table(_migrations.name):
        query = select(func.max(_migrations.c.version)).where(_migrations.c.name == name)
        recorded = connection.execute(query).scalar() or 0
    return recorded or unrecorded(connection)
