"""What no model should be trained on, and what may be but is told everywhere.

Each refusal says what is wrong, how much of it, and what to do. Columns that are unknown (NaN,
±inf) in more than a tenth of the rows are left out of a model by themselves (`trainers.columns`):
unknown features are refused only where they leave nothing to learn from.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streams.errors import ConfigError, DataError, ModelRefused
from trainers.columns import UNKNOWN_SHARE_MAX, complete_rows, usable_columns
from trainers.dataset import Dataset
from trainers.settings import SAMPLES_MIN

CLASS_MIN = 10
"""Fewer outcomes of a class say nothing of what it looks like."""

R_MULTIPLE_MAX = 1e9
"""Beyond it the risk was next to nothing: no trade's result is a figure in it."""

SAMPLES_WARN = 500
DAYS_WARN = 100
COLUMNS_TOLD_MAX = 5
"""So many column names fit in a message."""

MORE_SAMPLES = "collect more with assay train --accumulate, give a longer history, or pool symbols"


def check_samples(samples: Dataset, *, min_samples: int = SAMPLES_MIN) -> None:
    """Raise DataError, which says what to do, for samples that no model can be learned from."""
    check_count(samples, min_samples=min_samples)
    _check_classes(samples)
    _check_features(samples, min_samples)


def check_count(samples: Dataset, *, min_samples: int = SAMPLES_MIN) -> None:
    """Raise DataError for rows that are wrong in themselves, too few, or all of one day.

    What features and outcomes say is not looked at: some of these samples may be sealed.
    """
    _check_rows(samples)
    if len(samples) < min_samples:
        raise DataError(
            f"a model needs {min_samples} samples or more, was {len(samples)}: {MORE_SAMPLES}"
        )
    if (days := np.unique(samples.days)).size < 2:
        raise DataError(
            f"samples must be of more than one day, all {len(samples)} are of "
            f"{_date(int(days[0]))}: outcomes of one day are one piece of evidence; give a longer "
            "history"
        )


def training_warnings(samples: Dataset) -> tuple[str, ...]:
    """Return what must be told of a model that was trained on `samples`; () where nothing must."""
    found = []
    count, days = len(samples), int(np.unique(samples.days).size)
    if count < SAMPLES_WARN:
        found.append(
            f"{count} samples are few, {SAMPLES_WARN} or more are advised: expect wide intervals; "
            f"{MORE_SAMPLES}"
        )
    if days < DAYS_WARN:
        found.append(
            f"the samples are of {days} days, {DAYS_WARN} or more are advised: the signals of a "
            "day share their market, and errors count days"
        )
    if count and (unknown := _unknown_columns(samples.x)).size:
        found.append(
            f"{unknown.size} of {len(samples.names)} features are left out, unknown in more than "
            f"{UNKNOWN_SHARE_MAX:.0%} of the samples: {_told(samples, unknown)}"
        )
    return tuple(found)


def check_model_path(path: str | Path, strategy: str) -> Path:
    """Return the path of a strategy's model; raises ModelRefused where there is no such file.

    Raises ConfigError for a path that is empty.
    """
    key = f"strategies.{strategy}.ml.model_path"
    if not str(path).strip():
        raise ConfigError(f"{key} must name a model's file, was empty: remove the key, or name one")
    found = Path(path)
    if not found.is_file():
        what = "is a folder" if found.is_dir() else "does not exist"
        raise ModelRefused(
            f"{key} {found} {what}: train a model with assay train or assay pipeline, or remove "
            "the key"
        )
    return found


def _check_rows(samples: Dataset) -> None:
    for name, wrong in (
        ("labels must be 0 or 1", (samples.y != 0) & (samples.y != 1)),
        (
            f"r_multiple must be a finite number, of at most {R_MULTIPLE_MAX:g}",
            ~(np.abs(samples.r_multiple) <= R_MULTIPLE_MAX),
        ),
        ("exit_ts must not be before entry_ts", samples.exit_ts < samples.entry_ts),
    ):
        if wrong.any():
            raise DataError(
                f"{name}, is not for {int(wrong.sum())} of {len(samples)} samples, first for "
                f"{samples.signal_ids[wrong][0]}: leave out signals that are open, and those whose "
                "risk is no figure"
            )
    names, counts = np.unique(samples.signal_ids, return_counts=True)
    if (counts > 1).any():
        raise DataError(
            f"every signal must be there once, {int((counts > 1).sum())} are there more often, "
            f"{names[counts > 1][0]} {int(counts[counts > 1][0])} times: a copy in training and in "
            "test is a leak; name each source once"
        )
    if (np.diff(samples.ts) < 0).any():
        row = int(np.flatnonzero(np.diff(samples.ts) < 0)[0]) + 1
        raise DataError(
            f"samples must be in time order, sample {samples.signal_ids[row]} in row {row} is "
            "before its predecessor: sort them by ts"
        )


def _check_classes(samples: Dataset) -> None:
    ones = int(samples.y.sum())
    zeros = len(samples) - ones
    if min(ones, zeros) == 0:
        raise DataError(
            f"a model needs outcomes of both classes, all {len(samples)} are "
            f"{int(samples.y[0])}: look at the label's barriers (strategies.*.label), or "
            f"{MORE_SAMPLES}"
        )
    if min(ones, zeros) < CLASS_MIN:
        raise DataError(
            f"a model needs {CLASS_MIN} outcomes of each class or more, was {ones} of class 1 and "
            f"{zeros} of class 0: look at the label's barriers (strategies.*.label), or "
            f"{MORE_SAMPLES}"
        )


def _check_features(samples: Dataset, min_samples: int) -> None:
    columns = usable_columns(samples.x)
    unknown = _unknown_columns(samples.x)
    if not columns.size:
        if unknown.size:
            raise DataError(
                f"no feature can be learned from, {unknown.size} of {len(samples.names)} are "
                f"unknown (NaN) in more than {UNKNOWN_SHARE_MAX:.0%} of the samples: "
                f"{_told(samples, unknown)}; give a history that begins before the first signal, "
                "so that features are warm"
            )
        raise DataError(
            f"no feature can be learned from, all {len(samples.names)} are constant: look at "
            "the bars, or name other features"
        )
    whole = complete_rows(samples.x, columns)
    if int(whole.sum()) < min_samples:
        gaps = columns[~np.isfinite(samples.x[:, columns]).all(axis=0)]
        raise DataError(
            f"a model needs {min_samples} samples without unknown features or more, was "
            f"{int(whole.sum())} of {len(samples)}: {_told(samples, gaps)}; {MORE_SAMPLES}"
        )


def _unknown_columns(x: NDArray[np.float32]) -> NDArray[np.int64]:
    """The columns that are unknown in too many rows, the worst first."""
    shares = (~np.isfinite(x)).mean(axis=0) if x.size else np.zeros(x.shape[1])
    order = np.argsort(-shares, kind="stable")
    return order[shares[order] > UNKNOWN_SHARE_MAX]


def _told(samples: Dataset, columns: NDArray[np.int64]) -> str:
    """Each column's name, how many samples lack it, and until when: the first few of them."""
    parts = []
    for column in columns[:COLUMNS_TOLD_MAX]:
        unknown = np.flatnonzero(~np.isfinite(samples.x[:, column]))
        span = f"from {_date(int(samples.days[unknown[0]]))}"
        span += f" to {_date(int(samples.days[unknown[-1]]))}"
        parts.append(f"{samples.names[column]} in {unknown.size} {span}")
    more = columns.size - len(parts)
    return ", ".join(parts) + (f" and {more} more" if more > 0 else "")


def _date(day: int) -> str:
    return str(np.datetime64(day, "D"))
