"""Purging: which training labels may not be seen, because they know something of a test label.

Two spans touch where they share an instant, and equality counts (SCIENCE: the bug that shipped in
three libraries). After each test span an embargo follows, in which no training label may start.
"""

import numpy as np
from numpy.typing import NDArray

from streams.errors import ConfigError, DataError
from trainers.splits import Split
from trainers.validation.label_spans import LabelSpans

EMBARGO_NS_MAX = 10 * 366 * 86_400 * 1_000_000_000
"""Ten years: a longer one is a mistaken unit."""


def touching(spans: LabelSpans, tested: LabelSpans, embargo_ns: int = 0) -> NDArray[np.bool_]:
    """Return which of `spans` touch a tested span or the embargo after it, bool[n].

    That is, some tested span has start_ts <= end_ts and end_ts + embargo_ns >= start_ts. By
    sorting: O((n + m) log m) for m tested spans, in any order of rows.

    >>> spans = LabelSpans(np.array([0, 2, 8, 9]), np.array([4, 5, 8, 9]))
    >>> touching(spans, LabelSpans(np.array([5]), np.array([7])), embargo_ns=1).tolist()
    [False, True, True, False]
    """
    order = np.argsort(tested.start_ts, kind="stable")
    latest_end = np.maximum.accumulate(tested.end_ts[order])
    started = np.searchsorted(tested.start_ts[order], spans.end_ts, side="right")
    # What starts less than an embargo after the first instant there is would wrap around.
    lowest = np.iinfo(np.int64).min + embargo_ns
    may_start_ts = np.maximum(spans.start_ts, lowest) - embargo_ns
    found: NDArray[np.bool_] = started > 0
    if latest_end.size:
        found &= latest_end[np.maximum(started - 1, 0)] >= may_start_ts
    return found


def purged_split(spans: LabelSpans, is_test: NDArray[np.bool_], embargo_ns: int) -> Split:
    """Return the split that tests bool[n] and trains on all that does not touch it.

    Raises DataError where nothing is left to train on.
    """
    touched = touching(spans, spans.take(is_test), embargo_ns)
    train, test = np.flatnonzero(~touched & ~is_test), np.flatnonzero(is_test)
    if not train.size:
        raise DataError(
            f"a fold of {test.size} samples leaves none to train on: the labels of the other "
            f"{is_test.size - test.size} touch it or its embargo of {embargo_ns} ns. Give a longer "
            "history, a shorter embargo, shorter labels, or fewer samples to a test"
        )
    return Split(train, test)


def checked_embargo(embargo_ns: int) -> int:
    """Return the embargo; raise ConfigError for one below 0 or above EMBARGO_NS_MAX."""
    if not 0 <= embargo_ns <= EMBARGO_NS_MAX:
        raise ConfigError(
            f"embargo_ns must be in [0, {EMBARGO_NS_MAX}] nanoseconds, was {embargo_ns}"
        )
    return int(embargo_ns)
