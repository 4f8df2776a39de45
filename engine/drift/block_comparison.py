"""Whether a block of rows has the distributions of a reference, column by column.

    psi   how far the shares have moved of ten bins of the reference, and of what lies below them
    ks    the greatest distance of the two distribution functions
    mean  the distance of the two means

Each comes with its probability under no change, in which the column's own design effect stands:
rows in runs count for fewer, and none for more than itself. A missing value (NaN) says nothing:
it is left out of its column, and a column with less than half of its values, or with too few that
count, is not told.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.drift.design_effect import DesignEffect, design_effect
from engine.drift.kolmogorov_smirnov import (
    distance,
    distance_critical,
    distance_tails,
    steps_effect,
)
from engine.drift.population_stability import psi, sum_critical, sum_tails

BINS = 10
BATCHES_MIN = 4
BATCHES_MAX = 50
# Where fewer rows count, of a block or of one of its bins, the laws do not hold.
ROWS_OF_BLOCK_MIN = 20.0
ROWS_OF_BIN_MIN = 5.0
PRESENT_MIN = 0.5
VARIANCE_MIN = 1e-12

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Rows = NDArray[np.float32]


class Compared(NamedTuple):
    """Per column (k,): a statistic, and `tail`, the probability of one so far out of no change.

    A column that is not told has a tail of 1. `critical(column, alpha)` is the statistic of which
    the tail is `alpha`.
    """

    statistic: Floats
    tail: Floats
    critical: Callable[[int, float], float]


class BlockReference:
    """What blocks are held against: float32 rows (n, k) in time order, BATCHES_MIN or more.

    `batch` is how many rows, here and of a block, are summed to see how they run.
    """

    def __init__(self, rows: Rows, batch: int) -> None:
        self.rows = rows
        self._batch = batch
        ordered = np.sort(rows, axis=0)  # NaN comes last
        present = np.count_nonzero(~np.isnan(rows), axis=0)
        places = np.minimum(np.arange(1, BINS)[:, None] * present // BINS, len(rows) - 1)
        self._lowest = ordered[0]
        self._edges = np.take_along_axis(ordered, places, axis=0)
        self._counts = self._binned(rows)

    def compare(self, block: Rows, tests: tuple[str, ...]) -> dict[str, Compared]:
        """Return what `tests` (psi, ks) say of `block` (m, k)."""
        counts = _without_rare(self._counts, self._binned(block))
        own, new = (one.sum(axis=0) for one in counts)
        n, m = own.sum(axis=1), new.sum(axis=1)
        is_there = (n >= PRESENT_MIN * len(self.rows)) & (m >= PRESENT_MIN * len(block))
        n, m = np.maximum(n, 1.0), np.maximum(m, 1.0)
        one_row = 1.0 / n + 1.0 / m
        share = (own + new) / (n + m)[:, None]
        stretches = tuple(_from_mean(one) for one in counts)
        steps = steps_effect(stretches, n + m, share)
        found = {}
        if "psi" in tests:
            bins = np.count_nonzero(share, axis=1)
            free = np.maximum(bins - 1, 1)
            # A slow column hurries from bin to bin, so bins alone would make it look fast.
            effect = design_effect(stretches, n + m, share, steps.correlation).at_least(free)
            is_told = is_there & (bins > 1) & (m >= ROWS_OF_BIN_MIN * bins * effect.total / free)
            found["psi"] = _by_sum(psi(own, new), one_row, effect, is_told)
        if "ks" in tests:
            is_told = is_there & (m >= ROWS_OF_BLOCK_MIN * steps.total)
            found["ks"] = _by_distance(distance(self.rows, block), one_row, steps, is_told)
        return found

    def compare_means(self, block: Rows) -> Compared:
        """Return how far the means of `block` (m, k) lie above the reference's, two-sided."""
        own, new = self._summed(self.rows), self._summed(block)
        n, m = own.present, new.present
        variance = (own.squares + new.squares) / (n + m)
        effect = design_effect((own.batches, new.batches), n + m, variance[:, None], 0.0).at_least(
            1.0
        )
        one_row = variance * (1.0 / n + 1.0 / m)
        is_told = own.is_there & new.is_there & (variance > VARIANCE_MIN)
        apart = new.mean - own.mean
        squares = _by_sum(apart**2, one_row, effect, is_told)
        return Compared(apart, squares.tail, lambda i, alpha: math.sqrt(squares.critical(i, alpha)))

    def _starts(self, rows: int) -> NDArray[np.int64]:
        batches = min(max(rows // self._batch, BATCHES_MIN), BATCHES_MAX)
        return np.arange(batches) * rows // batches

    def _binned(self, rows: Rows) -> Floats:
        """Return how many rows of each batch lie in each bin: (batches, k, BINS + 1)."""
        bins = (rows >= self._lowest).astype(np.int8)
        for edge in self._edges:
            bins += rows > edge
        bins[np.isnan(rows)] = -1
        starts = self._starts(len(rows))
        sums = [np.add.reduceat(bins == b, starts, axis=0, dtype=np.int64) for b in range(BINS + 1)]
        return np.stack(sums, axis=-1).astype(np.float64)

    def _summed(self, rows: Rows) -> "_Summed":
        there = ~np.isnan(rows)
        count = np.maximum(there.sum(axis=0), 1).astype(np.float64)
        values = np.where(there, rows, 0.0).astype(np.float64)
        mean = values.sum(axis=0) / count
        away = np.where(there, values - mean, 0.0)
        batches = np.add.reduceat(away, self._starts(len(rows)), axis=0)[:, :, None]
        is_there = count >= max(PRESENT_MIN * len(rows), 2.0)
        return _Summed(batches, count, mean, (away**2).sum(axis=0), is_there)


class _Summed(NamedTuple):
    """Per column: sums of batches from the mean (batches, k, 1), and of all values (k,)."""

    batches: Floats
    present: Floats
    mean: Floats
    squares: Floats
    is_there: Flags


def _without_rare(own: Floats, new: Floats) -> tuple[Floats, Floats]:
    """Count bins that are too rare to be told apart with the fullest of their column."""
    n, m = own.sum(axis=(0, 2)), new.sum(axis=(0, 2))
    both = own.sum(axis=0) + new.sum(axis=0)
    smaller = np.minimum(n, m) / np.maximum(n + m, 1.0)
    is_rare = both * smaller[:, None] < ROWS_OF_BIN_MIN
    columns, fullest = np.arange(len(both)), both.argmax(axis=1)
    is_rare[columns, fullest] = False

    def merged(counts: Floats) -> Floats:
        few = np.where(is_rare, counts, 0.0)
        kept = counts - few
        kept[:, columns, fullest] += few.sum(axis=2)
        return kept

    return merged(own), merged(new)


def _from_mean(counts: Floats) -> Floats:
    """Return how far each batch's counts are from what the shares of all batches give."""
    total = counts.sum(axis=0)
    share = total / np.maximum(total.sum(axis=1, keepdims=True), 1.0)
    result: Floats = counts - counts.sum(axis=2, keepdims=True) * share
    return result


def _by_sum(values: Floats, one_row: Floats, effect: DesignEffect, is_told: Flags) -> Compared:
    scaled = np.divide(values, one_row, out=np.zeros_like(values), where=is_told)
    return Compared(
        values,
        np.where(is_told, sum_tails(scaled, effect), 1.0),
        lambda i, alpha: float(one_row[i]) * sum_critical(alpha, effect, i),
    )


def _by_distance(values: Floats, one_row: Floats, effect: DesignEffect, is_told: Flags) -> Compared:
    root = np.sqrt(one_row)
    return Compared(
        values,
        np.where(is_told, distance_tails(values / root, effect), 1.0),
        lambda i, alpha: float(root[i]) * distance_critical(alpha, effect, i),
    )
