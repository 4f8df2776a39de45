"""What is collected comes back as it was served, once, in one order."""

import contextlib
import math
import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import DataError
from tests.trainers.events import events_of
from tests.trainers.samples import layer_a_dataset
from trainers.collector import Collector
from trainers.database.feature_database import FeatureDatabase
from trainers.sample import sample_of

SAMPLES = layer_a_dataset(60, seed=1)
PAIRS = list(events_of(SAMPLES))
STRATEGY = "synthetic"


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    if request.param == "sqlite":
        return tmp_path / "features.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def database(location: str | Path):
    with FeatureDatabase(location) as opened:
        opened.register_names(SAMPLES.names)
        yield opened


def collected(database: FeatureDatabase, events) -> Collector:
    collector = Collector(database)
    for event in events:
        collector.take(event)
    collector.flush()
    return collector


def test_a_dataset_comes_back_bit_for_bit(database):
    collected(database, (event for pair in PAIRS for event in pair))
    back = database.read(STRATEGY, SAMPLES.names)
    assert back.digest() == SAMPLES.digest()
    assert back.x.dtype == np.float32
    assert (back.entry_ts == SAMPLES.entry_ts).all()


@given(st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(tmp_path_factory, random):
    events = [event for pair in PAIRS for event in pair]
    random.shuffle(events)
    with FeatureDatabase(tmp_path_factory.mktemp("db") / "features.db") as database:
        database.register_names(SAMPLES.names)
        collector = collected(database, events)
        assert database.read(STRATEGY, SAMPLES.names).digest() == SAMPLES.digest()
        assert collector.lost == 0


def test_adding_again_changes_nothing(database):
    samples = [sample_of(*pair) for pair in PAIRS]
    assert database.add(samples) == 60
    assert database.add(samples) == 0
    assert database.add([msgspec.structs.replace(samples[0], y_binary=9)]) == 0
    assert database.count(STRATEGY) == 60


def test_the_engines_own_trade_is_a_second_sample_of_another_source(database):
    scored, outcome = PAIRS[0]
    real = msgspec.structs.replace(outcome, virtual=False, y_binary=1 - outcome.y_binary)
    collected(database, [scored, outcome, real])
    assert database.count(STRATEGY, "virtual") == database.count(STRATEGY, "real") == 1


def test_labels_that_were_not_known_yet_are_left_out(database):
    collected(database, (event for pair in PAIRS for event in pair))
    known_by = int(SAMPLES.exit_ts[20])
    back = database.read(STRATEGY, SAMPLES.names, known_by_ts=known_by)
    assert back.exit_ts.max() == known_by
    assert len(back) == int((SAMPLES.exit_ts <= known_by).sum()) < 60
    assert database.newest_exit_ts(STRATEGY) == SAMPLES.exit_ts.max()


def test_time_and_symbol_narrow_what_is_read(database):
    collected(database, (event for pair in PAIRS for event in pair))
    from_ts = int(SAMPLES.ts[30])
    back = database.read(STRATEGY, SAMPLES.names, symbol="S3", from_ts=from_ts)
    assert set(back.symbols) == {"S3"}
    assert back.ts.min() >= from_ts
    assert len(back) == 3


def test_a_strategy_without_samples_reads_as_an_empty_dataset(database):
    empty = database.read("other", SAMPLES.names)
    assert len(empty) == 0
    assert empty.x.shape == (0, 40)


def test_vectors_of_another_layout_are_mapped_by_name(database):
    collected(database, (event for pair in PAIRS for event in pair))
    back = database.read(STRATEGY, ("x05", "new", "x01"))
    assert np.array_equal(back.x[:, [0, 2]], SAMPLES.x[:, [5, 1]])
    assert np.isnan(back.x[:, 1]).all()


def test_vectors_without_registered_names_are_refused(location):
    with FeatureDatabase(location) as database:
        database.add([sample_of(*PAIRS[0])])
        with pytest.raises(DataError, match="names of vectors"):
            database.read(STRATEGY, SAMPLES.names)


def test_a_vector_of_another_length_is_refused(database):
    database.add([msgspec.structs.replace(sample_of(*PAIRS[0]), vector=b"\0" * 8)])
    with pytest.raises(DataError, match="must have 40 float32 values, has 8 bytes"):
        database.read(STRATEGY, SAMPLES.names)


def test_a_signal_answered_without_a_vector_makes_no_sample(database):
    scored, outcome = PAIRS[0]
    collected(database, [msgspec.structs.replace(scored, inputs=b""), outcome])
    assert database.count(STRATEGY) == 0


def test_what_waits_is_bounded_and_counted(database, monkeypatch):
    monkeypatch.setattr("trainers.collector.PENDING_MAX", 10)
    collector = collected(database, (scored for scored, _ in PAIRS))
    assert collector.lost == 50


def test_a_name_cannot_break_out_of_the_query(database):
    evil = "x'; DROP TABLE samples; --"
    collected(database, (msgspec.structs.replace(e, strategy=evil) for p in PAIRS[:1] for e in p))
    assert len(database.read(evil, SAMPLES.names)) == 1


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path):
    path = tmp_path / "features.db"
    path.write_bytes(b"not a database" * 1_000)
    with pytest.raises(DataError, match="cannot be used"):
        FeatureDatabase(path)


def test_a_newer_schema_is_not_touched(tmp_path: Path):
    path = tmp_path / "features.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(DataError, match="version 99"):
        FeatureDatabase(path)


def test_a_job_reads_while_the_collector_writes(location):
    with FeatureDatabase(location) as writer, FeatureDatabase(location) as reader:
        writer.register_names(SAMPLES.names)
        collected(writer, (event for pair in PAIRS for event in pair))
        assert len(reader.read(STRATEGY, SAMPLES.names)) == 60


def test_a_file_that_was_damaged_later_is_said_to_be(tmp_path: Path):
    path = tmp_path / "features.db"
    with FeatureDatabase(path) as database:
        database.register_names(SAMPLES.names)
        collected(database, (event for pair in PAIRS for event in pair))
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    with pytest.raises(DataError, match="cannot be used"), FeatureDatabase(path) as database:
        database.read(STRATEGY, SAMPLES.names)


def test_a_file_that_somebody_holds_is_said_to_be_locked(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("trainers.database.engine.BUSY_TIMEOUT_S", 0.05)
    path = tmp_path / "features.db"
    with FeatureDatabase(path) as database, sqlite3.connect(path) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DataError, match="is locked"):
            database.register_names(SAMPLES.names)
        # A job only reads: it does not wait for whoever writes.
        with FeatureDatabase(path) as reader:
            assert reader.count(STRATEGY) == 0
        other.rollback()
    other.close()


OPENS_MANY = """
import pathlib, sys
from trainers.database.feature_database import FeatureDatabase
sys.stdout.write("ready")
sys.stdout.flush()
sys.stdin.read()
for number in range(20):
    FeatureDatabase(pathlib.Path(sys.argv[1], f"{number}.db")).close()
"""


def test_processes_that_make_the_same_file_at_once_all_get_it(tmp_path: Path):
    command = [sys.executable, "-c", OPENS_MANY, str(tmp_path)]
    pipe = subprocess.PIPE
    with contextlib.ExitStack() as stack:
        makers = [
            stack.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe))
            for _ in range(3)
        ]
        for maker in makers:
            assert maker.stdout is not None
            assert maker.stdout.read(5) == b"ready"
        for maker in makers:
            assert maker.stdin is not None
            maker.stdin.close()
    assert [maker.returncode for maker in makers] == [0, 0, 0]


@pytest.mark.parametrize(
    "changes",
    [
        {"r_multiple": math.nan},
        {"y_return": math.inf},
        {"y_binary": 2},
        {"exit_ts": 1},
        {"exit_ts": 2**63},
        {"model": "zero\0"},
    ],
)
def test_an_outcome_nothing_can_be_learned_from_is_left_out(database, changes):
    scored, outcome = PAIRS[0]
    collector = collected(database, [scored, msgspec.structs.replace(outcome, **changes)])
    assert (database.count(STRATEGY), collector.lost) == (0, 1)
