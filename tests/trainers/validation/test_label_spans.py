"""Spans that are none are refused, with the row and what to do."""

import numpy as np
import pytest

from streams.errors import DataError
from trainers.validation.label_spans import label_spans


def test_dates_become_nanoseconds():
    start = np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[D]")
    spans = label_spans(start, start + 1)
    assert spans.start_ts.tolist() == [1_577_836_800 * 10**9, 1_577_923_200 * 10**9]
    assert (spans.end_ts - spans.start_ts).tolist() == [86_400 * 10**9] * 2


def test_lists_of_whole_numbers_will_do():
    assert label_spans([3, 1], [3, 2]).end_ts.tolist() == [3, 2]


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ([], [], "must be 1 or more, was 0"),
        ([1, 2], [3], "must be of one length, were 2 and 1"),
        ([1, 5, 6], [2, 4, 5], r"row 1 was from 5 to 4 \(2 of 3 rows\)"),
        ([[1, 2]], [3], r"one column, was of shape \(1, 2\)"),
        ([1.0, np.nan], [2.0, 3.0], "was float64: leave open labels out"),
        (np.array(["2020-01-01", "NaT"], "M8[ns]"), [1, 2], "an instant in every row"),
    ],
)
def test_what_is_no_span_is_refused(start, end, words: str):
    with pytest.raises(DataError, match=words):
        label_spans(start, end)
