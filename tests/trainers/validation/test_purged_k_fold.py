"""Every sample is tested once, by labels that know nothing of it."""

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
from trainers.validation.instant_blocks import instant_blocks
from trainers.validation.label_spans import LabelSpans
from trainers.validation.purged_k_fold import PurgedKFold


def folds_of(spans: LabelSpans, folds: int, embargo_ns: int = 0):
    return PurgedKFold(
        folds, embargo_ns=embargo_ns, start_ts=spans.start_ts, end_ts=spans.end_ts
    ).split()


def folds_or_refusal(spans: LabelSpans, folds: int, embargo_ns: int = 0):
    splitter = PurgedKFold(
        folds, embargo_ns=embargo_ns, start_ts=spans.start_ts, end_ts=spans.end_ts
    )
    blocks = [[number] for number in range(folds)]
    return splits_or_refusal(splitter, lambda start: instant_blocks(start, folds), blocks)


@given(drawn_labels(least=8, instants=400), st.integers(2, 6), EMBARGOES)
def test_training_is_all_that_does_not_touch_the_test(spans, folds: int, embargo_ns: int):
    for split in folds_or_refusal(spans, folds, embargo_ns):
        hold_apart(spans, split, embargo_ns)
        hold_instants_together(spans, split)
        hold_all_else_is_trained_on(spans, split, embargo_ns)


@given(drawn_labels(least=8, instants=400), st.integers(2, 6))
def test_every_sample_is_tested_exactly_once(spans, folds: int):
    if found := folds_or_refusal(spans, folds):
        tested = np.concatenate([split.test for split in found])
        assert sorted(tested.tolist()) == list(range(spans.start_ts.size))


@given(drawn_labels(least=8, instants=400), st.integers(2, 6), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(spans, folds: int, chance):
    order = list(range(spans.start_ts.size))
    chance.shuffle(order)
    plain, shuffled = (folds_or_refusal(s, folds) for s in (spans, spans.take(np.array(order))))
    for split, again in zip(plain, shuffled, strict=True):
        for rows, others in zip(split, again, strict=True):
            assert sorted(order[row] for row in others) == rows.tolist()


def test_a_label_that_ends_as_the_test_opens_is_not_trained_on():
    """Blocks 0-4 and 5-9: the label of 4 ends on 5 and must go; at hold 0 it may stay."""
    assert next(s.train for s in folds_of(daily_labels(10, 0), 2)).tolist() == [5, 6, 7, 8, 9]
    first, second = folds_of(daily_labels(10, 1), 2)
    assert first.train.tolist() == [6, 7, 8, 9]
    assert second.train.tolist() == [0, 1, 2, 3]
    first, second = folds_of(daily_labels(10, 1), 2, embargo_ns=2)
    assert first.train.tolist() == [8, 9]
    assert second.train.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("spans", "words"),
    [
        (labels_of([(0, 5)]), "need 3 different instants, the 1 samples have 1"),
        (daily_labels(40, 3, per_instant=40), "the 40 samples have 1: give a longer history"),
        (daily_labels(40, 40), "leaves none to train on"),
    ],
)
def test_what_cannot_be_folded_is_refused(spans, words: str):
    with pytest.raises(DataError, match=words):
        list(folds_of(spans, 3))


@pytest.mark.parametrize("folds", [1, 0, 1_001])
def test_a_number_of_folds_that_is_none_is_refused(folds: int):
    with pytest.raises(ConfigError, match=rf"n_splits must be in \[2, 1000\], was {folds}"):
        PurgedKFold(folds)
