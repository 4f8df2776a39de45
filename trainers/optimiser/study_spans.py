"""Which days a study trains on, validates on, and keeps sealed.

    |------------- train -------------|-- fold --|-- fold --|-- fold --|---- holdout ----|

The sampler sees the train days alone. Walk-forward selects before each fold on everything that
lies before it. The holdout is cut off before a study begins. A day is UTC, and its close at
midnight is still its own.
"""

import itertools
from datetime import date

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.errors import ConfigError
from trainers.optimiser.optimiser_settings import OptimiseSettings
from trainers.statistics.equity_curve import DAY_NS

FOLD_DAYS_MIN = 5
TRAIN_DAYS_MIN = 60
HOLDOUT_DAYS_MIN = 20

Ints = NDArray[np.int64]


class Span(msgspec.Struct, frozen=True):
    """Days since 1970, both included."""

    first_day: int
    last_day: int

    @property
    def from_ts(self) -> int:
        """The first nanosecond of it."""
        return self.first_day * DAY_NS + 1

    @property
    def to_ts(self) -> int:
        """The last nanosecond of it."""
        return (self.last_day + 1) * DAY_NS

    @property
    def dates(self) -> tuple[str, str]:
        """Its first and last day, as ISO dates."""
        first, last = (date_of(day).isoformat() for day in (self.first_day, self.last_day))
        return first, last


class StudySpans(msgspec.Struct, frozen=True):
    """The spans of a study; `folds` are the parts of the validation, in order."""

    train: Span
    validation: Span
    holdout: Span
    folds: tuple[Span, ...]


def days_of(ts: Ints) -> Ints:
    """Return the day of each instant, int64 (n,)."""
    days: Ints = (ts - 1) // DAY_NS
    return days


def date_of(day: int) -> date:
    """Return a day since 1970 as a date."""
    return date.fromordinal(day + date(1970, 1, 1).toordinal())


def study_spans(instants: Ints, settings: OptimiseSettings) -> StudySpans:
    """Cut the days of a history, whose instants are given, ascending.

    Raises ConfigError where a span would be too short, or the dates do not ascend.
    """
    days = np.unique(days_of(instants))
    holdout = _row(days, settings.holdout_start, settings.holdout_fraction, len(days))
    share = settings.validation_fraction / (1.0 - settings.holdout_fraction)
    if settings.holdout_start is not None:
        share = settings.validation_fraction
    validation = _row(days[:holdout], settings.validation_start, min(share, 0.9), holdout)
    lengths = (
        ("train", validation, TRAIN_DAYS_MIN),
        ("validation", holdout - validation, settings.folds * FOLD_DAYS_MIN),
        ("holdout", len(days) - holdout, HOLDOUT_DAYS_MIN),
    )
    for name, length, least in lengths:
        if length < least:
            raise ConfigError(
                f"the {name} days must be {least} or more, were {max(length, 0)} of the "
                f"{len(days)} there are: give more bars, fewer folds, or other values of "
                "validation_start, validation_fraction, holdout_start, holdout_fraction (optimize)"
            )
    edges = np.linspace(validation, holdout, settings.folds + 1).astype(np.int64)
    return StudySpans(
        train=_span(days, 0, validation),
        validation=_span(days, validation, holdout),
        holdout=_span(days, holdout, len(days)),
        folds=tuple(_span(days, *pair) for pair in itertools.pairwise(edges.tolist())),
    )


def _row(days: Ints, start: date | None, share: float, count: int) -> int:
    if start is None:
        return round(count * (1.0 - share))
    return int(np.searchsorted(days, start.toordinal() - date(1970, 1, 1).toordinal()))


def _span(days: Ints, first: int, end: int) -> Span:
    return Span(int(days[first]), int(days[end - 1]))
