"""One SQL layer over SQLite files and PostgreSQL servers: open, read, write, insert once.

    engine = open_database("features.db")            # or postgresql://user:password@host/db
    migrate(engine, "trials", (create_trials,))      # trainers.database.migration
    with writing(engine) as connection:
        added = insert_new(connection, trials, rows)
    with reading(engine) as connection:
        rows = connection.execute(select(trials)).all()

SQLite files are in WAL mode: readers go on while one process writes, and a second writer waits for
it, at most BUSY_TIMEOUT_S. What goes wrong inside `reading` and `writing` is a DataError that says
what can be done and shows no password.

Every process opens its own engine; one that was inherited by fork must not be used.
"""

import contextlib
import itertools
import operator
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import (
    REAL,
    URL,
    BigInteger,
    Connection,
    Double,
    Engine,
    Integer,
    LargeBinary,
    Table,
    Text,
    create_engine,
    event,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import TypeEngine

from streams.errors import DataError
from trainers.database.location import is_url, name_of, url_of, without_password

BUSY_TIMEOUT_S = 30.0
"""How long a writer waits for another one's transaction."""

CONNECT_TIMEOUT_S = 10
INSERT_ROWS_MAX = 10_000
"""How many rows go to the driver at once; a transaction may have any number of such parts."""

INT64 = BigInteger().with_variant(Integer(), "sqlite")
FLOAT64: TypeEngine[float] = Double().with_variant(REAL(), "sqlite")
TEXT: TypeEngine[str] = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
"""Sorted by code point, whatever a server's own order of letters is."""

BYTES = LargeBinary()

Row = Mapping[str, Any]

_WRITES = "assay_writes"
_CALLED = "assay_called"
_REMEDY = "assay_remedy"
_TROUBLE = (
    SQLAlchemyError,
    sqlite3.Error,
    psycopg.Error,
    OSError,
    # What a driver says of a value that the database has no room for.
    OverflowError,
    UnicodeError,
)


def open_database(
    location: str | Path, *, title: str = "database", remedy: str = "name another file or server"
) -> Engine:
    """Return an engine for a SQLite file, made if it is missing, or a PostgreSQL server.

    `title` and `remedy` are what errors call it, and what they advise. Nothing is connected to
    yet. Raises DataError for a location that is neither, or a folder that cannot be made.
    """
    options = {_CALLED: f"{title} {name_of(location)}", _REMEDY: remedy}
    url = url_of(location)
    if is_url(location):
        return create_engine(
            url,
            connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "options": _settings(url)},
            execution_options=options,
            hide_parameters=True,
            pool_pre_ping=True,
        )
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY_TIMEOUT_S},
        execution_options=options,
        hide_parameters=True,
    )
    with telling(engine):
        Path(location).parent.mkdir(parents=True, exist_ok=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def is_sqlite(engine: Engine | Connection) -> bool:
    """Whether it is a SQLite file."""
    return engine.dialect.name == "sqlite"


def called(engine: Engine) -> str:
    """Return what messages call it, without its password."""
    return str(engine.get_execution_options()[_CALLED])


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads; raises DataError."""
    with telling(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes: all of it comes to stand at its end, or nothing.

    Raises DataError. On SQLite it is the only writer from its beginning on.
    """
    with telling(engine), engine.connect() as connection:
        connection.execution_options(**{_WRITES: True})
        with connection.begin():
            yield connection


@contextlib.contextmanager
def telling(engine: Engine) -> Iterator[None]:
    """Say of a database that is none, corrupt, away or held by others what can be done."""
    try:
        yield
    except _TROUBLE as error:
        cause = getattr(error, "orig", None) or error
        words = without_password(" ".join(str(cause).split()), engine.url)
        # Not from the error: what it quotes is not for a log.
        remedy = engine.get_execution_options()[_REMEDY]
        raise DataError(f"the {called(engine)} cannot be used: {words}; {remedy}") from None


def insert_new(connection: Connection, table: Table, rows: Iterable[Row]) -> int:
    """Insert the rows whose key is not there yet; return how many that were.

    Every row names the columns of the first one; of rows with one key the first is taken. Values
    go to the driver as they are. Within the connection's transaction, in parts of
    INSERT_ROWS_MAX.
    """
    waiting = iter(rows)
    first = next(waiting, None)
    if first is None:
        return 0
    names = tuple(first)
    statement = _insert_statement(connection, table, names)
    # A picker of one name gives the bare value.
    pick = operator.itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)
    values: Iterator[Any] = map(pick, itertools.chain((first,), waiting))
    added = 0
    while part := list(itertools.islice(values, INSERT_ROWS_MAX)):
        # The driver's own statement: SQLAlchemy's way to the same takes twice as long for a row.
        added += connection.exec_driver_sql(statement, part).rowcount
    return added


def _insert_statement(connection: Connection, table: Table, names: Sequence[str]) -> str:
    quote = connection.dialect.identifier_preparer
    columns = ", ".join(quote.format_column(table.c[name]) for name in names)
    places = ", ".join(["?" if is_sqlite(connection) else "%s"] * len(names))
    return (
        f"INSERT INTO {quote.format_table(table)} ({columns}) VALUES ({places}) "  # noqa: S608
        "ON CONFLICT DO NOTHING"
    )


def _settings(url: URL) -> str:
    """What a PostgreSQL session starts with: the URL's own options have the last word."""
    given = url.query.get("options", "")
    own = f"-c lock_timeout={int(BUSY_TIMEOUT_S * 1_000)} -c timezone=UTC"
    return f"{own} {given if isinstance(given, str) else ' '.join(given)}".strip()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver's own idea of transactions leaves out definitions of tables; ours are told below.
    connection.isolation_level = None
    # Refused at once while another process does the same; the mode belongs to the file.
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
