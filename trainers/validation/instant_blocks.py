"""Blocks of instants: samples cut in time into blocks of nearly equal size."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.errors import DataError

Ints = NDArray[np.int64]


def instant_blocks(start_ts: Ints, blocks: int) -> Ints:
    """Return the block of each sample, int64[n] from 0 to `blocks` - 1, ascending in time.

    An instant is never split, and no block is empty: each cut is at the instant nearest to where
    equal blocks would be cut, or at the nearest one that leaves every block an instant. The order
    of rows does not matter. Raises DataError for fewer instants than blocks.

    >>> instant_blocks(np.array([3, 1, 1, 1, 2]), 2).tolist()
    [1, 0, 0, 0, 1]
    """
    instants, instant_of, counts = np.unique(start_ts, return_inverse=True, return_counts=True)
    if instants.size < blocks:
        raise DataError(
            f"{blocks} blocks in time need {blocks} different instants, the {start_ts.size} "
            f"samples have {instants.size}: give a longer history or fewer blocks"
        )
    samples_before: NDArray[Any] = np.concatenate(([0], np.cumsum(counts)))
    number = np.arange(blocks - 1)
    wanted = start_ts.size * (number + 1) // blocks
    above = np.searchsorted(samples_before, wanted)
    is_below_nearer = wanted - samples_before[above - 1] < samples_before[above] - wanted
    cuts = above - is_below_nearer
    # Less its own number, a cut that leaves every block an instant never descends.
    room = np.clip(np.maximum.accumulate(cuts - number), 1, instants.size - blocks + 1)
    found: Ints = np.searchsorted(room + number, instant_of, side="right").astype(np.int64)
    return found
