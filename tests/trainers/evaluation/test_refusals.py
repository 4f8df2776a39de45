"""What cannot be learned from is refused with the number, the reason and the remedy."""

from dataclasses import replace

import numpy as np
import pytest

from streams.errors import ConfigError, DataError, ModelRefused
from tests.trainers.samples import dataset_of, noise_dataset
from trainers.evaluation.refusals import (
    CLASS_MIN,
    check_model_path,
    check_samples,
    training_warnings,
)


def unknown_in(samples, columns, rows):
    x = samples.x.copy()
    x[np.ix_(rows, columns)] = np.nan
    return replace(samples, x=x)


def with_labels(samples, ones: int):
    return replace(samples, y=(np.arange(len(samples)) < ones).astype(np.int8))


def test_fifty_samples_are_enough_and_forty_nine_are_not():
    check_samples(noise_dataset(50, 1))
    with pytest.raises(DataError, match=r"needs 50 samples or more, was 49: collect more with "):
        check_samples(noise_dataset(49, 1))
    with pytest.raises(DataError, match="assay train --accumulate, give a longer history, or pool"):
        check_samples(noise_dataset(0, 1))
    with pytest.raises(DataError, match="needs 200 samples or more, was 120"):
        check_samples(noise_dataset(120, 1), min_samples=200)


def test_five_hundred_samples_are_advised():
    (words,) = training_warnings(noise_dataset(499, 1, columns=3).take(np.arange(499)))[:1]
    assert words.startswith("499 samples are few, 500 or more are advised")
    assert training_warnings(noise_dataset(1_000, 1)) == ()


def test_few_days_are_told():
    crowded = noise_dataset(1_000, 1)
    crowded = replace(crowded, ts=crowded.ts[0] + (crowded.ts - crowded.ts[0]) // 20)
    assert training_warnings(crowded) == (
        "the samples are of 5 days, 100 or more are advised: the signals of a day share their "
        "market, and errors count days",
    )


@pytest.mark.parametrize(("ones", "only"), [(0, 0), (300, 1)])
def test_missing_class_is_named(ones: int, only: int):
    with pytest.raises(DataError, match=f"both classes, all 300 are {only}: look at the label"):
        check_samples(with_labels(noise_dataset(300, 2), ones))


def test_a_class_of_a_handful_is_refused():
    samples = noise_dataset(300, 2)
    check_samples(with_labels(samples, CLASS_MIN))
    with pytest.raises(DataError, match="was 9 of class 1 and 291 of class 0"):
        check_samples(with_labels(samples, CLASS_MIN - 1))


def test_one_day_is_refused():
    samples = noise_dataset(300, 3)
    with pytest.raises(DataError, match="all 300 are of 2020-01-01: outcomes of one day are one"):
        check_samples(replace(samples, ts=np.full(300, samples.ts[0])))


def test_unknown_features_are_refused_only_where_nothing_is_left():
    samples = noise_dataset(300, 4, columns=4)
    some = unknown_in(samples, [0, 1, 2], np.arange(100))
    check_samples(some)
    assert "3 of 4 features are left out" in training_warnings(some)[2]
    assert "x00 in 100 from 2020-01-01 to 2020-01-10" in training_warnings(some)[2]
    with pytest.raises(DataError, match=r"4 of 4 are unknown \(NaN\) in more than 10% of") as told:
        check_samples(unknown_in(samples, [0, 1, 2, 3], np.arange(50, 300)))
    assert "x03 in 250 from 2020-01-06 to 2020-01-30; give a history" in str(told.value)


def test_many_unknown_columns_are_told_in_part():
    samples = unknown_in(noise_dataset(300, 4, columns=40), range(40), np.arange(300))
    with pytest.raises(DataError, match=r"x04 in 300 from .* to 2020-01-30 and 35 more; give"):
        check_samples(samples)


def test_too_few_whole_rows_are_refused_with_the_columns_that_have_gaps():
    samples = noise_dataset(52, 5, columns=3)
    with pytest.raises(DataError, match=r"unknown features or more, was 49 of 52: x01 in 3 from"):
        check_samples(unknown_in(samples, [1], np.arange(3)))


def test_constant_features_are_refused():
    samples = dataset_of(np.ones((300, 2)), np.arange(300) % 2)
    with pytest.raises(DataError, match="all 2 are constant"):
        check_samples(samples)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.where(np.arange(300) == 7, 3, 1).astype(np.int8)}, "labels must be 0 or 1, is"),
        ({"r_multiple": np.where(np.arange(300) == 7, np.inf, 1.0)}, "r_multiple must be a finite"),
        ({"exit_ts": np.where(np.arange(300) == 7, 0, 2**62)}, "exit_ts must not be before entry"),
    ],
)
def test_rows_that_are_no_samples_name_the_first(change, message: str):
    samples = replace(noise_dataset(300, 6), **change)
    with pytest.raises(DataError, match=f"{message}.* not .*for 1 of 300 samples.*s-000007"):
        check_samples(samples)


def test_copies_and_disorder_are_refused():
    samples = noise_dataset(300, 7)
    twice = samples.take(np.sort(np.append(np.arange(300), 9)))
    with pytest.raises(DataError, match=r"there once, 1 are there more often, s-000009 2 times"):
        check_samples(twice)
    with pytest.raises(DataError, match=r"time order, sample s-000289 in row 10 is before"):
        check_samples(samples.take(np.append(np.arange(290, 300), np.arange(289, -1, -1))))


def test_missing_model_path_says_train_or_remove(tmp_path):
    held = tmp_path / "a.onnx"
    held.write_bytes(b"")
    assert check_model_path(str(held), "rsi2") == held
    missing = tmp_path / "missing.onnx"
    with pytest.raises(
        ModelRefused, match=r"strategies.rsi2.ml.model_path .*missing.onnx does"
    ) as t:
        check_model_path(missing, "rsi2")
    assert "train a model with assay train or assay pipeline, or remove the key" in str(t.value)
    with pytest.raises(ModelRefused, match="is a folder"):
        check_model_path(tmp_path, "rsi2")
    with pytest.raises(ConfigError, match="must name a model's file, was empty"):
        check_model_path(" ", "rsi2")
