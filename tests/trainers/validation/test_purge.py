"""The purge by sorting finds what the plain definition finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import ConfigError, DataError
from tests.trainers.validation.labels import (
    EMBARGOES,
    drawn_labels,
    labels_of,
    touching_by_definition,
)
from trainers.validation.purge import EMBARGO_NS_MAX, checked_embargo, purged_split, touching


@given(drawn_labels(), drawn_labels(least=0), EMBARGOES)
def test_sorting_finds_what_the_definition_finds(spans, tested, embargo_ns: int):
    expected = touching_by_definition(spans, tested, embargo_ns)
    assert touching(spans, tested, embargo_ns).tolist() == expected.tolist()


@given(drawn_labels(), drawn_labels(), EMBARGOES, st.randoms(use_true_random=False))
def test_the_order_of_tested_labels_does_not_matter(spans, tested, embargo_ns: int, chance):
    rows = list(range(tested.start_ts.size))
    chance.shuffle(rows)
    again = touching(spans, tested.take(np.array(rows)), embargo_ns)
    assert again.tolist() == touching(spans, tested, embargo_ns).tolist()


def test_a_shared_instant_is_a_touch_at_embargo_zero():
    spans = labels_of([(0, 9), (0, 10), (10, 10), (20, 25), (21, 25)])
    assert touching(spans, labels_of([(10, 20)])).tolist() == [False, True, True, True, False]


def test_the_embargo_lies_after_a_test_span_and_not_before_it():
    spans = labels_of([(0, 9), (25, 30), (26, 30)])
    assert touching(spans, labels_of([(10, 20)]), 5).tolist() == [False, True, False]


def test_a_long_test_label_that_began_earlier_is_not_forgotten():
    spans = labels_of([(50, 60)])
    assert touching(spans, labels_of([(0, 55), (1, 2), (3, 4)])).tolist() == [True]


def test_the_first_instants_of_all_do_not_wrap_around():
    lowest = np.iinfo(np.int64).min
    spans = labels_of([(lowest, lowest), (lowest + 3, lowest + 3)])
    assert touching(spans, labels_of([(lowest + 1, lowest + 1)]), 5).tolist() == [False, True]


def test_a_fold_without_training_says_what_to_do():
    spans = labels_of([(0, 9), (5, 9), (9, 9)])
    with pytest.raises(
        DataError, match=r"leaves none to train on: the labels of the other 2 .*Give"
    ):
        purged_split(spans, np.array([False, False, True]), 0)


@pytest.mark.parametrize("embargo_ns", [-1, EMBARGO_NS_MAX + 1])
def test_an_embargo_that_is_none_is_refused(embargo_ns: int):
    with pytest.raises(ConfigError, match=f"embargo_ns must be in .*, was {embargo_ns}"):
        checked_embargo(embargo_ns)
