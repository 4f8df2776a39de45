"""Drawn labels, and the plain definition of what a splitter must keep apart."""

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from streams.errors import DataError
from trainers.splits import Split
from trainers.validation.label_spans import LabelSpans
from trainers.validation.span_splitter import SpanSplitter

EMBARGOES = st.sampled_from([0, 1, 7, 40])


def drawn_labels(least: int = 1, instants: int = 60) -> st.SearchStrategy[LabelSpans]:
    """Labels in any order, many of one instant, of length 0 to 30."""
    pairs = st.tuples(st.integers(0, instants), st.integers(0, 30))
    return st.lists(pairs, min_size=least, max_size=60).map(
        lambda drawn: labels_of([(start, start + length) for start, length in drawn])
    )


def labels_of(pairs: list[tuple[int, int]]) -> LabelSpans:
    start, end = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return LabelSpans(start.copy(), end.copy())


def daily_labels(count: int, hold: int, per_instant: int = 1) -> LabelSpans:
    start = np.arange(count, dtype=np.int64) // per_instant
    return LabelSpans(start, start + hold)


def touching_by_definition(
    spans: LabelSpans, tested: LabelSpans, embargo_ns: int
) -> NDArray[np.bool_]:
    """Each label against each tested one: O(n m)."""
    begins_in_time = spans.start_ts[:, None] <= tested.end_ts[None, :] + embargo_ns
    ends_too_late = spans.end_ts[:, None] >= tested.start_ts[None, :]
    return (begins_in_time & ends_too_late).any(axis=1)


def splits_or_refusal(splitter: SpanSplitter, group_of, tested_of) -> list[Split]:
    """The splits; none where they are refused, which must be for a reason.

    `group_of` returns the block of each sample, `tested_of` the blocks that are tested together.
    """
    spans = splitter.spans()
    try:
        return list(splitter.split())
    except DataError as error:
        if "different instants" in str(error):
            return []
        group = group_of(spans.start_ts)
        masks = [np.isin(group, tested) for tested in tested_of]
        assert any(
            touching_by_definition(spans, spans.take(mask), splitter.embargo_ns).all()
            for mask in masks
        )
        return []


def hold_apart(spans: LabelSpans, split, embargo_ns: int = 0) -> None:
    """Nothing is both, rows ascend, and no training label touches a test's."""
    train, test = split
    assert not set(train.tolist()) & set(test.tolist())
    assert train.tolist() == sorted(train.tolist())
    assert test.tolist() == sorted(test.tolist())
    assert not touching_by_definition(spans.take(train), spans.take(test), embargo_ns).any()


def hold_instants_together(spans: LabelSpans, split) -> None:
    untested = np.setdiff1d(np.arange(spans.start_ts.size), split.test)
    instants, others = (set(spans.start_ts[rows].tolist()) for rows in (split.test, untested))
    assert not instants & others


def hold_all_else_is_trained_on(spans: LabelSpans, split, embargo_ns: int) -> None:
    """Whatever does not touch a test label is kept: a purge that drops too much is a defect."""
    touched = touching_by_definition(spans, spans.take(split.test), embargo_ns)
    assert split.train.tolist() == np.flatnonzero(~touched).tolist()
