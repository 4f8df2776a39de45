"""The past predicts the future: anchored or rolling, by number of folds or by dates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import ConfigError, DataError
from tests.trainers.validation.labels import (
    EMBARGOES,
    daily_labels,
    drawn_labels,
    hold_apart,
    hold_instants_together,
    labels_of,
)
from trainers import splits
from trainers.validation.label_spans import LabelSpans
from trainers.validation.walk_forward import WalkForward

rolling = st.sampled_from([None, 1, 2, 3])
edges_of_time = st.lists(st.integers(0, 420), min_size=5, max_size=9, unique=True).map(sorted)


def walked(spans: LabelSpans, **options):
    return list(WalkForward(**options, start_ts=spans.start_ts, end_ts=spans.end_ts).split())


def walked_or_none(spans: LabelSpans, **options):
    try:
        return walked(spans, **options)
    except DataError:
        return []


def hold_in_the_past(spans: LabelSpans, split, embargo_ns: int) -> None:
    hold_apart(spans, split)
    opens_ts = spans.start_ts[split.test].min()
    assert (spans.end_ts[split.train] + embargo_ns < opens_ts).all()


@given(drawn_labels(least=2, instants=200), st.integers(1, 6), rolling, EMBARGOES)
def test_by_folds_training_is_closed_before_the_test_opens(spans, folds, blocks, embargo_ns):
    options = {"n_splits": folds, "train_blocks": blocks, "embargo_ns": embargo_ns}
    found = walked_or_none(spans, **options)
    for split in found:
        hold_in_the_past(spans, split, embargo_ns)
        hold_instants_together(spans, split)
    tested = [row for split in found for row in split.test.tolist()]
    assert len(set(tested)) == len(tested)
    assert len(found) <= folds
    if found:
        splitter = WalkForward(**options, start_ts=spans.start_ts, end_ts=spans.end_ts)
        assert splitter.get_n_splits() == len(found)


@given(drawn_labels(least=2, instants=200), st.integers(1, 6), EMBARGOES)
def test_anchored_by_folds_is_the_walk_of_the_trainer(spans, folds: int, embargo_ns: int):
    order = np.argsort(spans.start_ts, kind="stable")
    spans = spans.take(order)
    expected = list(splits.walk_forward(*spans, folds=folds, embargo_ns=embargo_ns))
    found = walked_or_none(spans, n_splits=folds, embargo_ns=embargo_ns)
    assert [[rows.tolist() for rows in split] for split in found] == [
        [rows.tolist() for rows in split] for split in expected
    ]


@given(drawn_labels(least=10, instants=400), edges_of_time, rolling, EMBARGOES)
def test_by_dates_each_block_is_predicted_from_the_ones_before(spans, edges, blocks, embargo_ns):
    first = blocks or 1
    found = walked_or_none(spans, edges=edges, train_blocks=blocks, embargo_ns=embargo_ns)
    expected = []
    for k in range(first, len(edges) - 1):
        begins = edges[0] if blocks is None else edges[k - blocks]
        rows = list(enumerate(zip(*(column.tolist() for column in spans), strict=True)))
        train = [r for r, (s, e) in rows if s >= begins and e + embargo_ns < edges[k]]
        test = [r for r, (s, e) in rows if edges[k] <= s < edges[k + 1] and e < edges[-1]]
        if train and test:
            expected.append([train, test])
    assert [[rows.tolist() for rows in split] for split in found] == expected
    for split in found:
        hold_in_the_past(spans, split, embargo_ns)


@given(
    drawn_labels(least=2, instants=200),
    st.integers(1, 6),
    rolling,
    st.randoms(use_true_random=False),
)
def test_the_order_of_rows_does_not_matter(spans, folds: int, blocks, chance):
    order = list(range(spans.start_ts.size))
    chance.shuffle(order)
    options = {"n_splits": folds, "train_blocks": blocks}
    plain = walked_or_none(spans, **options)
    shuffled = walked_or_none(spans.take(np.array(order)), **options)
    for split, again in zip(plain, shuffled, strict=True):
        for rows, others in zip(split, again, strict=True):
            assert sorted(order[row] for row in others) == rows.tolist()


def test_anchored_grows_and_rolling_keeps_its_length():
    spans = daily_labels(60, 0)
    anchored = walked(spans, n_splits=5)
    assert [split.train.size for split in anchored] == [10, 20, 30, 40, 50]
    rolled = walked(spans, n_splits=4, train_blocks=2)
    assert [split.train.tolist() for split in rolled] == [
        list(range(first, first + 20)) for first in (0, 10, 20, 30)
    ]
    assert [split.test.size for split in rolled] == [10] * 4


def test_a_label_open_at_the_last_edge_is_not_tested():
    split = walked(daily_labels(30, 3), edges=[0, 10, 20])[0]
    assert split.train.tolist() == list(range(7))
    assert split.test.tolist() == list(range(10, 17))


def test_a_block_without_samples_is_left_out():
    spans = labels_of([(1, 1), (2, 2), (31, 31)])
    found = walked(spans, edges=[0, 10, 20, 30, 40])
    assert [split.test.tolist() for split in found] == [[2]]


@pytest.mark.parametrize(
    "spans", [labels_of([(5, 6)]), daily_labels(20, 1, per_instant=20), daily_labels(20, 20)]
)
def test_no_fold_at_all_is_refused(spans):
    with pytest.raises(DataError, match=r"no fold of 3 has a sample to train on .* Give a longer"):
        walked(spans, n_splits=3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "one of both, were n_splits=None and edges=None"),
        ({"n_splits": 2, "edges": [1, 2, 3]}, "one of both"),
        ({"n_splits": 0}, r"n_splits must be in \[1, 1000\], was 0"),
        ({"n_splits": 3, "train_blocks": 0}, r"train_blocks must be in \[1, 1000\], was 0"),
        ({"edges": [1, 2]}, "that is 3 edges or more, were 2"),
        ({"edges": [1, 2, 3], "train_blocks": 2}, "that is 4 edges or more, were 3"),
        ({"edges": [1, 3, 3]}, "edges must ascend, 3 was followed by 3"),
        ({"n_splits": 2, "embargo_ns": -1}, "embargo_ns must be in"),
    ],
)
def test_settings_that_contradict_are_refused(options, words: str):
    with pytest.raises(ConfigError, match=words):
        WalkForward(**options)
