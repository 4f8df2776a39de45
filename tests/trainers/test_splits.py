"""No training label touches a test span, whatever the spans are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainers.splits import closed_before, walk_forward

spans = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 30)), min_size=2, max_size=80).map(
    sorted
)


def columns(drawn: list[tuple[int, int]]):
    start = np.array([ts for ts, _ in drawn], dtype=np.int64)
    return start, start + np.array([length for _, length in drawn], dtype=np.int64)


@given(spans, st.integers(2, 8), st.sampled_from([0, 1, 7]))
def test_no_training_span_touches_a_test_span(drawn, folds: int, embargo_ns: int):
    start, end = columns(drawn)
    for train, test in walk_forward(start, end, folds=folds, embargo_ns=embargo_ns):
        first_open, last_close = start[test].min(), end[test].max()
        touches = (start[train] <= last_close) & (end[train] + embargo_ns >= first_open)
        assert not touches.any()
        assert not set(train) & set(test)


@given(spans, st.integers(2, 8))
def test_every_sample_is_predicted_at_most_once_and_instants_stay_together(drawn, folds: int):
    start, end = columns(drawn)
    splits = list(walk_forward(start, end, folds=folds))
    predicted = np.concatenate([split.test for split in splits]) if splits else np.empty(0)
    assert len(set(predicted)) == len(predicted)
    for _, test in splits:
        others = np.setdiff1d(np.arange(start.size), test)
        assert not set(start[test]) & set(start[others])


def test_a_label_that_ends_at_the_opening_instant_is_purged_at_embargo_zero():
    end = np.array([9, 10, 11], dtype=np.int64)
    assert closed_before(end, 10).tolist() == [True, False, False]
    assert closed_before(end, 10, embargo_ns=1).tolist() == [False, False, False]


def test_samples_of_a_long_enough_history_are_all_predicted_but_the_first_block():
    start = np.arange(60, dtype=np.int64)
    splits = list(walk_forward(start, start, folds=5))
    assert [split.test.size for split in splits] == [10] * 5
    assert splits[0].train.tolist() == list(range(10))


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_samples_give_no_split(count: int):
    ts = np.arange(count, dtype=np.int64)
    assert list(walk_forward(ts, ts, folds=3)) == []
