"""Splits in time: training labels are closed before a test window opens.

A training sample whose label span [ts, exit_ts] touches the span of any test sample is purged,
at embargo 0 too: equality counts as touching. The span begins at the signal's own bar, so a
training label is also known before the first test signal is made.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Split(NamedTuple):
    """Row numbers, int64, ascending: what may be fitted and what is predicted."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]


def closed_before(
    end_ts: NDArray[np.int64], opens_ts: int, embargo_ns: int = 0
) -> NDArray[np.bool_]:
    """Return which labels end, and their embargo too, strictly before `opens_ts`: bool[n]."""
    closed: NDArray[np.bool_] = end_ts < opens_ts - embargo_ns
    return closed


def opening_instants(start_ts: NDArray[np.int64], folds: int) -> list[int]:
    """Return the instants at which blocks 1 to `folds` of `folds` + 1 open, ascending.

    `start_ts` ascending int64[n]. A block is empty where the next opens at the same instant.
    """
    count = start_ts.size
    return [int(start_ts[count * k // (folds + 1)]) for k in range(1, folds + 1)] if count else []


def walk_forward(
    start_ts: NDArray[np.int64],
    end_ts: NDArray[np.int64],
    *,
    folds: int,
    embargo_ns: int = 0,
) -> Iterator[Split]:
    """Cut the samples into `folds` + 1 blocks in time; predict each but the first from before.

    `start_ts` ascending int64[n]. Samples of one instant stay in one block. A fold without a
    training or a test sample is left out.
    """
    count = start_ts.size
    edges = opening_instants(start_ts, folds)
    bounds = [int(np.searchsorted(start_ts, edge)) for edge in edges] + [count]
    for first, end in itertools.pairwise(bounds):
        if first == end:
            continue
        test = np.arange(first, end)
        train = np.flatnonzero(closed_before(end_ts[:first], int(start_ts[first]), embargo_ns))
        if train.size:
            yield Split(train, test)
