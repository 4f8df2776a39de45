"""One layer, two databases: what is asked of both is tested on both."""

import multiprocessing
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Column, MetaData, Table, func, inspect, select

from streams.errors import DataError
from trainers.database.engine import (
    BYTES,
    FLOAT64,
    INT64,
    TEXT,
    insert_new,
    open_database,
    reading,
    writing,
)
from trainers.database.location import name_of, url_of
from trainers.database.migration import migrate

THINGS = Table(
    "things",
    MetaData(),
    Column("name", TEXT, primary_key=True),
    Column("number", INT64, nullable=False),
    Column("size", FLOAT64, nullable=False),
    Column("blob", BYTES),
    sqlite_strict=True,
)
MIGRATIONS = (THINGS.create,)


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    if request.param == "sqlite":
        return tmp_path / "deep" / "things.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def engine(location):
    opened = open_database(location)
    migrate(opened, "things", MIGRATIONS)
    yield opened
    opened.dispose()


def thing(name: str, **changes: object) -> dict[str, object]:
    return {"name": name, "number": 1, "size": 0.5, "blob": b"\0\xff"} | changes


def names_in(engine) -> list[str]:
    with reading(engine) as connection:
        return list(connection.execute(select(THINGS.c.name).order_by(THINGS.c.name)).scalars())


def test_a_row_is_inserted_once_and_the_first_one_stays(engine):
    with writing(engine) as connection:
        assert insert_new(connection, THINGS, [thing("a"), thing("b"), thing("a", number=9)]) == 2
    with writing(engine) as connection:
        assert insert_new(connection, THINGS, (thing(name, number=7) for name in "abc")) == 1
        assert insert_new(connection, THINGS, []) == 0
    with reading(engine) as connection:
        rows = connection.execute(select(THINGS).order_by(THINGS.c.name)).all()
    assert [tuple(row) for row in rows] == [
        ("a", 1, 0.5, b"\0\xff"),
        ("b", 1, 0.5, b"\0\xff"),
        ("c", 7, 0.5, b"\0\xff"),
    ]


def test_many_rows_are_counted_over_their_parts(engine, monkeypatch):
    monkeypatch.setattr("trainers.database.engine.INSERT_ROWS_MAX", 10)
    rows = [thing(f"{number:03}") for number in range(35)]
    with writing(engine) as connection:
        assert insert_new(connection, THINGS, rows[:7]) == 7
        assert insert_new(connection, THINGS, rows) == 28
    assert len(names_in(engine)) == 35


def test_the_ends_of_the_number_line_come_back(engine):
    ends = [thing("low", number=-(2**63), size=5e-324), thing("top", number=2**63 - 1, size=1e308)]
    with writing(engine) as connection:
        insert_new(connection, THINGS, ends)
    with reading(engine) as connection:
        query = select(THINGS.c.number, THINGS.c.size).order_by(THINGS.c.name)
        rows = [tuple(row) for row in connection.execute(query)]
    assert rows == [(-(2**63), 5e-324), (2**63 - 1, 1e308)]


@pytest.mark.parametrize(
    "changes",
    [
        {"number": 2**63},
        {"number": "many"},
        {"number": None},
        {"size": {"in": "words"}},
        {"name": "\ud800"},
    ],
    ids=str,
)
def test_a_value_that_has_no_room_takes_its_transaction_with_it(engine, changes):
    def add() -> None:
        with writing(engine) as connection:
            insert_new(connection, THINGS, [thing("good")])
            insert_new(connection, THINGS, [thing("bad") | changes])

    with pytest.raises(DataError, match="cannot be used"):
        add()
    assert names_in(engine) == []


def test_nothing_of_a_transaction_stands_after_an_error_in_it(engine):
    def add() -> None:
        with writing(engine) as connection:
            insert_new(connection, THINGS, [thing("a")])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add()
    assert names_in(engine) == []


def add_many(location, first: int, waits) -> None:
    engine = open_database(location)
    waits.wait()
    migrate(engine, "things", MIGRATIONS)
    for number in range(first, first + 20):
        with writing(engine) as connection:
            # What is shared and what is one's own, and a read before the write.
            connection.execute(select(func.count()).select_from(THINGS)).scalar()
            rows = [thing(f"shared {number % 20}"), thing(f"own {number}")]
            insert_new(connection, THINGS, rows)
    engine.dispose()


def test_processes_that_open_and_write_at_once_lose_nothing(location):
    context = multiprocessing.get_context("spawn")
    waits = context.Barrier(3)
    workers = [
        context.Process(target=add_many, args=(location, first, waits)) for first in (0, 20, 40)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    engine = open_database(location)
    assert len(names_in(engine)) == 20 + 60
    engine.dispose()


def test_a_migration_is_done_once_and_recorded(engine):
    assert migrate(engine, "things", MIGRATIONS) == 0
    assert migrate(engine, "others", (lambda _: None, lambda _: None)) == 2
    assert migrate(engine, "others", (lambda _: None,) * 3) == 1


def test_an_interrupted_migration_leaves_what_was_there(engine):
    with writing(engine) as connection:
        insert_new(connection, THINGS, [thing("a")])

    def breaks(connection) -> None:
        Table("half", MetaData(), Column("x", INT64)).create(connection)
        THINGS.drop(connection)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(engine, "things", (*MIGRATIONS, breaks))
    assert names_in(engine) == ["a"]
    with reading(engine) as connection:
        assert not inspect(connection).has_table("half")
    assert migrate(engine, "things", (*MIGRATIONS, lambda _: None)) == 1


def test_a_newer_schema_is_refused(engine):
    migrate(engine, "things", (*MIGRATIONS, lambda _: None))
    with pytest.raises(DataError, match=r"things of .* has version 2, this program knows 1"):
        migrate(engine, "things", MIGRATIONS)


def test_who_waits_too_long_for_a_writer_is_told(location, monkeypatch):
    monkeypatch.setattr("trainers.database.engine.BUSY_TIMEOUT_S", 0.1)
    engine = open_database(location)
    migrate(engine, "things", MIGRATIONS)
    with writing(engine) as holder:
        insert_new(holder, THINGS, [thing("a")])
        with pytest.raises(DataError, match="lock"), writing(engine) as connection:
            insert_new(connection, THINGS, [thing("a")])
        # Whoever reads does not wait.
        assert names_in(engine) == []
    engine.dispose()


def test_a_wrong_password_is_said_without_it(postgres):
    engine = open_database(postgres.url("postgres", "wr0ng%2Fword"))
    with pytest.raises(DataError, match="password authentication failed") as caught:
        migrate(engine, "things", MIGRATIONS)
    for text in (str(caught.value), repr(engine), repr(engine.url), str(engine.url)):
        assert "wr0ng" not in text
    assert caught.value.__suppress_context__


def test_a_server_that_is_not_there_is_said_with_what_to_do(tmp_path: Path):
    url = f"postgresql://ann:s3cret@/assay?host={tmp_path}"
    engine = open_database(url, title="ledger", remedy="start it")
    with pytest.raises(DataError) as caught, reading(engine):
        pass
    assert str(caught.value).startswith("the ledger postgresql://ann:***@/assay?host=")
    assert "No such file or directory" in str(caught.value)
    assert str(caught.value).endswith("; start it")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:pa@ss@db/assay",
        "postgresql://ann:pass@db:many/assay",
        "postgresql://ann:pass@db",
        "mysql://ann:pass@db/assay",
        "postgresql://db/assay?sslpassword=pass",
        "postgresql+asyncpg://ann:pass@db/assay",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_password(url):
    with pytest.raises(DataError) as caught:
        open_database(url)
    for text in (str(caught.value), name_of(url)):
        assert "pass@" not in text
        assert "ss@" not in text
        assert "=pass" not in text


def test_a_password_in_the_query_is_a_password():
    url = url_of("postgres://ann@db/assay?password=s3cret")
    assert url.password == "s3cret"
    assert repr(url) == "postgresql+psycopg://ann:***@db/assay"
    assert name_of("postgres://ann@db/assay?password=s3cret") == "postgres://ann:***@db/assay"


@pytest.mark.parametrize("content", [b"not a database" * 1_000, b"SQLite format 3\0" + b"\1" * 500])
def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path, content):
    path = tmp_path / "things.db"
    path.write_bytes(content)
    engine = open_database(path)
    with pytest.raises(DataError, match="not a database"):
        migrate(engine, "things", MIGRATIONS)
    assert path.read_bytes() == content


def test_an_empty_file_becomes_a_database(tmp_path: Path):
    path = tmp_path / "things.db"
    path.touch()
    engine = open_database(path)
    assert migrate(engine, "things", MIGRATIONS) == 1
    engine.dispose()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be used"):
        open_database(tmp_path / "file" / "things.db")
