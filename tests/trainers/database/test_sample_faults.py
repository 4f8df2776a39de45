"""What befalls a feature database, and what is left of the samples after it."""

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from streams.errors import DataError
from tests.trainers.events import events_of
from tests.trainers.samples import layer_a_dataset
from trainers.database.feature_database import FeatureDatabase
from trainers.database.sample_choice import SampleChoice
from trainers.database.sample_export import export_samples
from trainers.sample import sample_of

SAMPLES = layer_a_dataset(40, seed=1)
PAIRS = list(events_of(SAMPLES))
STRATEGY = "synthetic"
BATCH = 40

WRITES = """
import sys
import msgspec
from tests.trainers.database.test_sample_faults import PAIRS, SAMPLES
from trainers.database.feature_database import FeatureDatabase
from trainers.database.sample_choice import SampleChoice
from trainers.database.sample_export import export_samples
from trainers.sample import sample_of
made = [sample_of(*pair) for pair in PAIRS]
with FeatureDatabase(sys.argv[1]) as database:
    database.register_names(SAMPLES.names)
    for number in range(10**9):
        add = [msgspec.structs.replace(s, signal_id=f"{number:06}-{s.signal_id}") for s in made]
        added = database.add(add)
        sys.stdout.write(f"{number} {added}\\n")
        sys.stdout.flush()
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "features.db")
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.mark.parametrize("batches", [1, 7])
def test_a_writer_that_is_killed_loses_no_batch_and_leaves_no_half(location, batches):
    command = [sys.executable, "-c", WRITES, location]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(batches):
            told = writer.stdout.readline().split()
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().splitlines()
    last = int(rest[-1].split()[0]) if rest else int(told[0])
    with FeatureDatabase(location) as database:
        kept = database.read(STRATEGY, SAMPLES.names)
        numbers = [int(signal_id[:6]) for signal_id in kept.signal_ids]
        # What was told stands; at most the one batch beyond it that nobody could tell of.
        found, counts = np.unique(numbers, return_counts=True)
        assert set(counts) == {BATCH}
        assert found.tolist() in (list(range(last + 1)), list(range(last + 2)))
        assert database.add([sample_of(*pair) for pair in PAIRS]) == BATCH


def test_an_export_comes_in_parts_and_is_what_training_reads(location, tmp_path, monkeypatch):
    monkeypatch.setattr("trainers.database.sample_export.EXPORT_ROWS_MAX", 7)
    path = tmp_path / "samples.parquet"
    with FeatureDatabase(location) as database:
        database.register_names(SAMPLES.names)
        database.add([sample_of(*pair) for pair in PAIRS])
        assert export_samples(database, path, SampleChoice(strategy=STRATEGY)) == 40
        other = database.register_names(("x05", "new"))
        one = sample_of(*PAIRS[0])
        vector = np.array([5.0, 6.0], dtype="<f4").tobytes()
        database.add(
            [msgspec.structs.replace(one, source="real", vector=vector, features_digest=other)]
        )
        real = SampleChoice(strategy=STRATEGY, source="real")
        assert export_samples(database, tmp_path / "real.parquet", real) == 1
    table = pl.read_parquet(path)
    assert np.array_equal(table.select(SAMPLES.names).to_numpy(), SAMPLES.x, equal_nan=True)
    assert table["signal_id"].to_list() == SAMPLES.signal_ids.tolist()
    assert table["exit_ts"].to_physical().to_list() == SAMPLES.exit_ts.tolist()
    assert table["y_binary"].to_list() == SAMPLES.y.tolist()
    assert pl.read_parquet(tmp_path / "real.parquet").row(0)[-2:] == (5.0, 6.0)
    assert list(tmp_path.glob("*.partial")) == []


def test_an_export_that_fails_leaves_the_file_that_was_there(location, tmp_path):
    path = tmp_path / "samples.parquet"
    path.write_bytes(b"mine")
    with FeatureDatabase(location) as database:
        database.register_names(SAMPLES.names)
        short = msgspec.structs.replace(sample_of(*PAIRS[0]), vector=b"\0" * 8)
        database.add([short])
        with pytest.raises(DataError, match="must have 40 float32 values, has 8 bytes"):
            export_samples(database, path, SampleChoice(strategy=STRATEGY))
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.glob("*.partial")) == []


def test_huge_values_come_back_whole(location):
    huge = msgspec.structs.replace(
        sample_of(*PAIRS[0]),
        signal_id="s" * 2_000,
        r_multiple=-1.7e308,
        exit_ts=2**63 - 1,
        model="m" * 100_000,
    )
    with FeatureDatabase(location) as database:
        database.register_names(SAMPLES.names)
        assert database.add([huge]) == 1
        back = database.read(STRATEGY, SAMPLES.names)
    assert (back.signal_ids[0], back.r_multiple[0], int(back.exit_ts[0])) == (
        huge.signal_id,
        huge.r_multiple,
        huge.exit_ts,
    )


def test_signals_are_sorted_by_code_point_on_every_server(postgres, postgres_url):
    FeatureDatabase(postgres_url).close()
    query = (
        "SELECT DISTINCT collname FROM pg_attribute JOIN pg_collation c ON c.oid = attcollation "
        "WHERE attrelid = 'samples'::regclass"
    )
    assert postgres.execute(query, postgres_url.partition("@/")[2].partition("?")[0]) == [("C",)]
