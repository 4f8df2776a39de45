"""Every choice of test groups once, and the predictions make paths through all of time."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import ConfigError, DataError
from tests.trainers.validation.labels import (
    EMBARGOES,
    daily_labels,
    drawn_labels,
    hold_all_else_is_trained_on,
    hold_apart,
    hold_instants_together,
    labels_of,
    splits_or_refusal,
)
from trainers.validation.combinatorial_purged import CombinatorialPurged
from trainers.validation.instant_blocks import instant_blocks
from trainers.validation.label_spans import LabelSpans
from trainers.validation.purged_k_fold import PurgedKFold

sizes = st.sampled_from([(3, 1), (3, 2), (4, 2), (5, 3), (6, 2)])
spread_labels = drawn_labels(least=10, instants=600)


def cpcv(spans: LabelSpans, size: tuple[int, int], embargo_ns: int = 0) -> CombinatorialPurged:
    return CombinatorialPurged(
        *size, embargo_ns=embargo_ns, start_ts=spans.start_ts, end_ts=spans.end_ts
    )


def found_by(splitter: CombinatorialPurged):
    groups = splitter.n_groups
    return splits_or_refusal(
        splitter,
        lambda start: instant_blocks(start, groups),
        itertools.combinations(range(groups), splitter.n_test_groups),
    )


@given(spread_labels, sizes, EMBARGOES)
def test_training_is_all_that_does_not_touch_the_test(spans, size, embargo_ns: int):
    for split in found_by(cpcv(spans, size, embargo_ns)):
        hold_apart(spans, split, embargo_ns)
        hold_instants_together(spans, split)
        hold_all_else_is_trained_on(spans, split, embargo_ns)


@given(spread_labels, sizes)
def test_every_sample_is_tested_once_on_each_path(spans, size):
    splitter = cpcv(spans, size)
    splits = found_by(splitter)
    if not splits:
        return
    assert len(splits) == splitter.get_n_splits() == math.comb(*size)
    times = np.bincount(np.concatenate([split.test for split in splits]))
    assert splitter.n_paths == math.comb(size[0] - 1, size[1] - 1)
    assert times.tolist() == [splitter.n_paths] * spans.start_ts.size


@given(spread_labels, sizes)
def test_each_prediction_lies_on_one_path_in_the_row_of_its_sample(spans, size):
    splitter = cpcv(spans, size)
    splits = found_by(splitter)
    if not splits:
        return
    count = spans.start_ts.size
    # Each prediction names its split and its row.
    paths = splitter.paths([k * 1_000.0 + split.test for k, split in enumerate(splits)])
    assert paths.shape == (splitter.n_paths, count)
    assert (paths % 1_000 == np.arange(count)).all()
    split_of = (paths // 1_000).astype(int)
    expected = {(k, row) for k, split in enumerate(splits) for row in split.test.tolist()}
    placed = {(k, row) for path in split_of for row, k in enumerate(path.tolist())}
    assert placed == expected
    group = instant_blocks(spans.start_ts, size[0])
    assert (split_of == splitter.path_splits()[:, group]).all()


@pytest.mark.parametrize("size", [(4, 2), (6, 2), (8, 2), (7, 4)])
def test_a_path_takes_each_group_from_a_split_that_tests_it(size: tuple[int, int]):
    splitter = CombinatorialPurged(*size)
    chosen = list(itertools.combinations(range(size[0]), size[1]))
    used = splitter.path_splits()
    assert used.shape == (splitter.n_paths, size[0])
    for group in range(size[0]):
        testing = [k for k, groups in enumerate(chosen) if group in groups]
        assert used[:, group].tolist() == testing


def test_the_sizes_of_the_literature():
    """Lopez de Prado 2018, figure 12.1: N = 6, k = 2 make 15 splits and 5 paths."""
    assert CombinatorialPurged(6, 2).get_n_splits() == 15
    assert CombinatorialPurged(6, 2).n_paths == 5
    assert CombinatorialPurged(10, 2).n_paths == 9


def test_one_test_group_is_purged_k_fold():
    spans = daily_labels(60, 4, per_instant=3)
    folds = PurgedKFold(5, embargo_ns=2, start_ts=spans.start_ts, end_ts=spans.end_ts).split()
    for split, fold in zip(cpcv(spans, (5, 1), 2).split(), folds, strict=True):
        assert split.train.tolist() == fold.train.tolist()
        assert split.test.tolist() == fold.test.tolist()


def test_between_two_tested_groups_both_sides_are_purged():
    splits = list(cpcv(daily_labels(30, 2), (3, 2), embargo_ns=1).split())
    assert splits[1].test.tolist() == [*range(10), *range(20, 30)]
    # The first group's last label ends on 11, its embargo on 12; the third group opens on 20.
    assert splits[1].train.tolist() == [13, 14, 15, 16, 17]


@pytest.mark.parametrize("size", [(4, 0), (4, 4), (1, 1), (0, 1)])
def test_test_groups_must_leave_some_to_train_on(size: tuple[int, int]):
    with pytest.raises(ConfigError, match=f"below n_groups, was {size[1]} of {size[0]}"):
        CombinatorialPurged(*size)


def test_too_many_splits_are_refused():
    with pytest.raises(ConfigError, match="8 test groups of 16 make 12870 splits, 5000 are"):
        CombinatorialPurged(16, 8)


@pytest.mark.parametrize("spans", [labels_of([(3, 4)]), daily_labels(9, 1, per_instant=9)])
def test_too_few_instants_are_refused(spans):
    with pytest.raises(DataError, match="have 1: give a longer history or fewer blocks"):
        list(cpcv(spans, (4, 2)).split())


def test_predictions_of_another_split_are_refused():
    splitter = cpcv(daily_labels(30, 2), (3, 2))
    right = [np.zeros(20)] * 3
    assert splitter.paths(right).shape == (2, 30)
    with pytest.raises(DataError, match="one array for each of 3 splits, were 2"):
        splitter.paths(right[:2])
    with pytest.raises(DataError, match=r"split 1 must be one for each of its 20 .* \(19,\)"):
        splitter.paths([right[0], np.zeros(19), right[2]])
    with pytest.raises(DataError, match=r"shape \(20, 2\)"):
        splitter.paths([np.zeros((20, 2)), *right[1:]])
