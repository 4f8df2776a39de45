"""Blocks are of whole instants, none is empty, and they are as equal as instants allow."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streams.errors import DataError
from trainers.validation.instant_blocks import instant_blocks

instants = st.lists(st.integers(0, 25), min_size=1, max_size=60).map(
    lambda drawn: np.array(drawn, dtype=np.int64)
)


@given(instants, st.integers(1, 8))
def test_every_block_has_instants_of_its_own_in_order_of_time(start, blocks: int):
    assume(np.unique(start).size >= blocks)
    block = instant_blocks(start, blocks)
    assert set(block.tolist()) == set(range(blocks))
    order = np.argsort(start, kind="stable")
    assert (np.diff(block[order]) >= 0).all()
    assert len({(ts, number) for ts, number in zip(start, block, strict=True)}) == len(set(start))


@given(instants, st.integers(2, 8))
def test_too_few_instants_are_refused(start, blocks: int):
    assume(np.unique(start).size < blocks)
    with pytest.raises(DataError, match=f"{blocks} blocks in time need {blocks} different inst"):
        instant_blocks(start, blocks)


@pytest.mark.parametrize("blocks", [1, 2, 3, 7, 10])
def test_blocks_of_single_samples_differ_by_one_at_most(blocks: int):
    sizes = np.bincount(instant_blocks(np.arange(40, dtype=np.int64), blocks))
    assert sizes.max() - sizes.min() <= 1


def test_a_crowded_instant_takes_its_block_alone():
    start = np.array([0] * 50 + [1, 2, 3], dtype=np.int64)
    assert np.bincount(instant_blocks(start, 4)).tolist() == [50, 1, 1, 1]
    assert np.bincount(instant_blocks(-start, 4)).tolist() == [1, 1, 1, 50]
    assert np.bincount(instant_blocks(start, 2)).tolist() == [50, 3]
