"""A file of version 1 becomes one of version 2, whole or not at all."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from streams.errors import DataError
from tests.trainers.samples import layer_a_dataset
from trainers.database import sample_tables
from trainers.database.feature_database import FeatureDatabase
from trainers.database.sample_summary import summaries_of

SAMPLES = layer_a_dataset(30, seed=1)

# What the first version wrote, word for word.
VERSION_1 = """
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
PRAGMA user_version = 1;
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "features.db"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(VERSION_1)
        connection.execute(
            "INSERT INTO vector_names VALUES ('layout', ?)", ("\n".join(SAMPLES.names),)
        )
        rows = [
            (
                *("synthetic", str(SAMPLES.signal_ids[row]), "virtual", str(SAMPLES.symbols[row])),
                *(int(column[row]) for column in (SAMPLES.ts, SAMPLES.entry_ts, SAMPLES.exit_ts)),
                *(1, 0.5, int(SAMPLES.y[row]), 0.1, float(SAMPLES.r_multiple[row]), 2.0),
                *(SAMPLES.x[row].tobytes(), "layout", None, "m", "", ""),
            )
            for row in range(len(SAMPLES))
        ]
        places = ", ".join("?" * 19)
        connection.executemany(f"INSERT INTO samples VALUES ({places})", rows)
    return path


def asked(path: Path, query: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_no_sample_of_an_old_file_is_lost(old: Path):
    with FeatureDatabase(old) as database:
        assert database.read("synthetic", SAMPLES.names).digest() == SAMPLES.digest()
        [summary] = summaries_of(database)
        assert (summary.samples, summary.params) == (30, None)
    with FeatureDatabase(old) as database:
        assert database.count("synthetic") == 30
    assert asked(old, "SELECT name, version FROM schema_migrations") == [("samples", 2)]
    # By this a program that knows version 1 alone sees that the file is not for it.
    assert asked(old, "PRAGMA user_version") == [(2,)]
    assert asked(old, "SELECT DISTINCT model, probability FROM samples") == [("m", None)]


def test_an_interrupted_migration_leaves_the_old_file(old: Path, monkeypatch):
    create, add_provenance = sample_tables.MIGRATIONS

    def breaks(connection) -> None:
        add_provenance(connection)
        raise KeyboardInterrupt

    before = asked(old, "SELECT * FROM samples ORDER BY rowid")
    with monkeypatch.context() as patch:
        patch.setattr(sample_tables, "MIGRATIONS", (create, breaks))
        with pytest.raises(KeyboardInterrupt):
            FeatureDatabase(old)
    assert asked(old, "SELECT * FROM samples ORDER BY rowid") == before
    assert asked(old, "PRAGMA user_version") == [(1,)]
    tables = {name for (name,) in asked(old, "SELECT name FROM sqlite_master WHERE type='table'")}
    assert tables == {"samples", "vector_names"}
    with FeatureDatabase(old) as database:
        assert database.count("synthetic") == 30


def test_a_value_of_a_wrong_type_stops_the_migration_and_stays(old: Path):
    with contextlib.closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("UPDATE samples SET ts = 'noon' WHERE rowid = 3")
    with pytest.raises(DataError, match=r"cannot store TEXT value in INTEGER column samples\.ts"):
        FeatureDatabase(old)
    assert asked(old, "SELECT count(*) FROM samples WHERE ts = 'noon'") == [(1,)]
    assert asked(old, "PRAGMA user_version") == [(1,)]


def test_a_file_that_version_1_had_only_begun_is_finished(tmp_path: Path):
    path = tmp_path / "features.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_1.partition("CREATE TABLE IF NOT EXISTS samples")[0])
    with FeatureDatabase(path) as database:
        assert database.count("synthetic") == 0
    assert asked(path, "PRAGMA user_version") == [(2,)]
