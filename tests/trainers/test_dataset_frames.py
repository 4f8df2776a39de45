"""Training frames and files are the samples that the feature database has of the same trades."""

import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from engine.context_settings import NO_CONTEXT, ContextSettings
from engine.settings import StrategySettings
from engine.strategy import load_strategy
from models.feature_set import load_feature_set
from models.vector import vector_names
from streams.errors import DataError
from streams.source_settings import SourceSettings
from trainers.database.feature_database import FeatureDatabase
from trainers.dataset_frames import dataset_of_frame, read_training_data, served_names
from trainers.extraction.feature_extractor import FeatureExtractor
from trainers.extraction.labelled_samples import labelled_samples
from trainers.extraction.training_files import write_training_data
from trainers.extraction.training_frame import training_frame
from trainers.research.histories import read_history

HISTORY = read_history(SourceSettings(kind="sample", symbols=("AAPL", "IBM", "MSFT")))
SERVED = vector_names(load_feature_set().names, ())
RSI2 = StrategySettings("rsi2_mean_reversion", overlapping=True)
FAR = datetime.datetime(3000, 1, 1, tzinfo=datetime.UTC)
INSTANT = datetime.datetime(2001, 1, 1)


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return FeatureExtractor(session="us_equity").extract_history(RSI2, HISTORY)


@pytest.mark.parametrize("context", [NO_CONTEXT, ContextSettings(market="MSFT")])
def test_a_frame_is_what_the_feature_database_has_bit_for_bit(
    context: ContextSettings, tmp_path: Path
):
    found = FeatureExtractor(session="us_equity", context=context).trades(RSI2, HISTORY)
    with FeatureDatabase(tmp_path / "features.db") as database:
        database.register_names(SERVED)
        database.add(labelled_samples(found))
        stored = database.read(RSI2.name, SERVED)
    samples = dataset_of_frame(training_frame(found))
    assert len(samples) > 200
    assert samples.names == stored.names == SERVED
    assert samples.x.dtype == np.float32
    assert samples.x.flags.c_contiguous
    assert samples.digest() == stored.digest()


def test_the_strategys_own_indicators_are_no_columns_unless_they_are_named(frame):
    own = load_strategy(RSI2.name).indicator_names
    assert set(own) <= set(frame.columns)
    assert served_names(frame) == SERVED
    assert not set(own) & set(dataset_of_frame(frame).names)
    chosen = dataset_of_frame(frame, (own[0], "ibs"))
    assert chosen.names == (own[0], "ibs")
    by_id = frame.sort("label_start", "signal_id")
    np.testing.assert_array_equal(chosen.x[:, 0], by_id[own[0]].cast(pl.Float32).to_numpy())


def test_the_order_of_rows_and_columns_does_not_matter(frame):
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=5).select(sorted(frame.columns))
    assert dataset_of_frame(shuffled).digest() == dataset_of_frame(frame).digest()


def test_fewer_features_are_the_same_columns_of_the_same_rows(frame):
    few = FeatureExtractor(session="us_equity", features=("rsi_14", "ibs"))
    samples = dataset_of_frame(few.extract_history(RSI2, HISTORY))
    whole = dataset_of_frame(frame)
    assert samples.names == ("ibs", "rsi_14")
    places = [whole.names.index(name) for name in samples.names]
    np.testing.assert_array_equal(samples.x, whole.x[:, places])


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_is_read_back_as_the_frame_it_was_written_from(frame, form, tmp_path: Path):
    (path,) = write_training_data(frame, tmp_path, "ALL", "rsi2", form)
    back = read_training_data(path)
    assert back.schema == frame.schema
    assert back.equals(frame)
    assert dataset_of_frame(back).digest() == dataset_of_frame(frame).digest()


def test_columns_of_the_readers_own_do_no_harm(frame, tmp_path: Path):
    late = pl.when(pl.int_range(pl.len()) < 150).then(None).otherwise(1.5)
    more = frame.with_columns(pl.lit("bull").alias("regime"), late.alias("late"))
    for part in (more, more.head(1), more.head(0)):
        (path,) = write_training_data(part, tmp_path, "ALL", "rsi2", "csv")
        samples = dataset_of_frame(read_training_data(path))
        assert samples.digest() == dataset_of_frame(part).digest()
        assert samples.names == SERVED


def test_a_number_of_a_csv_is_rounded_once(frame, tmp_path: Path):
    # Just above the middle between two floats; as a double it would be that middle.
    above = "1.0000000596046447753906251"
    path = tmp_path / "data.csv"
    text = frame.head(1).with_columns(pl.lit(above).alias("ibs"))
    text.write_csv(path, datetime_format="%Y-%m-%d %H:%M:%S%.fZ")
    ibs = dataset_of_frame(read_training_data(path), ("ibs",)).x.item()
    assert ibs == np.nextafter(np.float32(1), np.float32(2))


@pytest.mark.parametrize("kind", [pl.Float32, pl.Null])
def test_what_is_unknown_is_nan(frame, kind: type[pl.DataType]):
    samples = dataset_of_frame(frame.with_columns(pl.lit(None, kind).alias("ibs")))
    assert np.isnan(samples.x[:, samples.names.index("ibs")]).all()


def test_instants_may_come_in_another_unit_and_another_zone(frame):
    elsewhere = frame.with_columns(
        pl.col("label_start").dt.cast_time_unit("us").dt.convert_time_zone("Asia/Tokyo"),
        pl.col("label_end").cast(pl.Int64),
    )
    assert dataset_of_frame(elsewhere).digest() == dataset_of_frame(frame).digest()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.drop("label_end", "symbol"), "lack the columns symbol, label_end: make them"),
        (lambda f: f.drop(SERVED), "no column that the scorer serves"),
        (lambda f: f.with_columns(pl.lit(2).alias("y_binary")), "y_binary must be 0 or 1: signal"),
        (
            lambda f: f.with_columns(pl.lit(None, pl.Int8).alias("y_binary")),
            r"column y_binary must have a value in every row, row 1 has none",
        ),
        (
            lambda f: f.with_columns(pl.lit(float("inf")).alias("r_multiple")),
            "r_multiple must be a finite number",
        ),
        (
            lambda f: f.with_columns(pl.col("label_start").alias("label_end")),
            "label_end must not be before label_start or Date/Time",
        ),
        (lambda f: pl.concat([f, f.head(3)]), r"signal_id must be there once: .* \(6 of"),
        (lambda f: f.with_columns(pl.lit("a").alias("ibs")), "column ibs must be numbers, was Str"),
        (
            lambda f: f.with_columns(pl.lit(INSTANT).alias("label_start")),
            "column label_start must be instants with a time zone",
        ),
        (
            lambda f: f.with_columns(pl.lit(FAR).alias("label_end")),
            "column label_end must be instants of the years 1678 to 2261, was from 3000",
        ),
    ],
)
def test_what_is_no_training_data_is_refused_by_name(frame, change, words: str):
    with pytest.raises(DataError, match=words):
        dataset_of_frame(change(frame))


def test_a_name_that_is_no_column_is_refused(frame):
    with pytest.raises(DataError, match="lack the columns rsi_999: make them with assay extract"):
        dataset_of_frame(frame, ("ibs", "rsi_999"))


@pytest.mark.parametrize("name", ["r_multiple", "y_return", "bars_held", "uniqueness"])
def test_what_is_known_only_of_the_trade_is_not_learned_from(frame, name: str):
    with pytest.raises(DataError, match=f"column {name} is told of a trade"):
        dataset_of_frame(frame, ("ibs", name))
    with pytest.raises(DataError, match="column ibs is named twice"):
        dataset_of_frame(frame, ("ibs", "ibs"))
    assert dataset_of_frame(frame, ("ibs", "side")).names == ("ibs", "side")


def test_a_file_that_cannot_be_read_says_why_and_what_makes_one(tmp_path: Path):
    with pytest.raises(DataError, match=r"nothing\.csv: No such file .* make them with assay"):
        read_training_data(tmp_path / "nothing.csv")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"cannot be read from .*broken\.parquet"):
        read_training_data(broken)
    words = tmp_path / "words.csv"
    words.write_text("y_binary,ibs\n1,much\n")
    with pytest.raises(DataError, match=r"words\.csv"):
        read_training_data(words)
