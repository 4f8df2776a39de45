"""The comparison of two sets of vectors, row by row and feature by feature, in bounded memory."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.skew_audit import ATOL, RTOL
from trainers.dataset import Dataset
from trainers.difference_causes import Marks, others_features, own_bar_features

BLOCK_ROWS = 8_192
"""How many rows are compared at once: memory beside the two datasets does not grow with them."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Comparison(NamedTuple):
    """What was counted of k features, [k], and marked of n signals, [n].

    `differ`: signals in which the feature is not equal bit for bit; `astray`: beyond rounding, or
    unknown on one side; `first`: the first row that differs, n for none. `is_unequal`: whether
    any feature of a signal differs.
    """

    differ: Ints
    astray: Ints
    unknown_served: Ints
    unknown_recomputed: Ints
    max_difference: NDArray[np.float64]
    first: Ints
    is_unequal: Bools
    marks: Marks


class _Block(NamedTuple):
    """Masks bool[rows, k] and the gap |a - b| float64[rows, k], 0 where one is not known.

    `wide`: known on both sides and beyond rounding; `only_a`, `only_b`: known on that side alone.
    """

    differ: Bools
    wide: Bools
    only_a: Bools
    only_b: Bools
    gap: NDArray[np.float64]


def compare_rows(
    served: Dataset, recomputed: Dataset, names: tuple[str, ...], rows: Ints, others: Ints
) -> Comparison:
    """Compare row `rows[i]` of one with row `others[i]` of the other in the columns `names`."""
    k, n = len(names), rows.size
    ours = np.array([served.names.index(name) for name in names], dtype=np.int64)
    theirs = np.array([recomputed.names.index(name) for name in names], dtype=np.int64)
    is_own_bar = np.array([name in own_bar_features() for name in names], dtype=np.bool_)
    is_others = np.array([name in others_features() for name in names], dtype=np.bool_)
    counts = np.zeros((4, k), dtype=np.int64)
    flags = np.zeros((4, n), dtype=np.bool_)
    widest, first = np.zeros(k), np.full(k, n, dtype=np.int64)
    for start in range(0, n, BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        found = _compared(
            served.x[np.ix_(rows[part], ours)], recomputed.x[np.ix_(others[part], theirs)]
        )
        astray = found.wide | found.only_a | found.only_b
        for number, mask in enumerate((found.differ, astray, found.only_b, found.only_a)):
            counts[number] += np.count_nonzero(mask, axis=0)
        widest = np.maximum(widest, found.gap.max(axis=0, initial=0.0))
        seen = start + found.differ.argmax(axis=0)
        first = np.minimum(first, np.where(found.differ.any(axis=0), seen, n))
        flags[0, part] = found.differ.any(axis=1)
        flags[1, part] = astray.any(axis=1)
        flags[2, part] = flags[1, part] & ~astray[:, ~is_others].any(axis=1)
        flags[3, part] = found.wide[:, is_own_bar].any(axis=1)
    return Comparison(
        differ=counts[0],
        astray=counts[1],
        unknown_served=counts[2],
        unknown_recomputed=counts[3],
        max_difference=widest,
        first=first,
        is_unequal=flags[0],
        marks=Marks(is_astray=flags[1], is_others=flags[2], is_own_bar=flags[3]),
    )


def _compared(a: NDArray[np.float32], b: NDArray[np.float32]) -> _Block:
    no_a, no_b = np.isnan(a), np.isnan(b)
    differ = (a.view(np.uint32) != b.view(np.uint32)) & ~(no_a & no_b)
    both = differ & ~no_a & ~no_b
    gap = np.zeros(a.shape)
    np.subtract(a, b, out=gap, where=both, dtype=np.float64)
    np.abs(gap, out=gap)
    allowed = ATOL + RTOL * np.abs(b, dtype=np.float64)
    # Next to infinity every gap would be allowed.
    wide = both & ~(np.isfinite(gap) & (gap <= allowed))
    return _Block(differ, wide, no_b & ~no_a, no_a & ~no_b, gap)
