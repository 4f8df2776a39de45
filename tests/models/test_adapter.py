"""A model finds its columns by name, and says why a row cannot be served."""

import numpy as np
import pytest

from models.adapter import columns_of, why_unusable
from streams.errors import ModelRefused

SERVED = ("ibs", "rsi_2", "atr_14", "signal_score", "signal_side", "signal_z1")
NAN, INF = float("nan"), float("inf")


def test_columns_come_in_the_model_s_order():
    assert columns_of(("signal_z1", "ibs"), SERVED).tolist() == [5, 0]


def test_a_feature_that_nobody_computes_is_named_with_its_nearest():
    with pytest.raises(ModelRefused, match=r"feature 'rsi2' \(nearest: 'rsi_2'\); train it on"):
        columns_of(("ibs", "rsi2"), SERVED)


def test_of_many_missing_features_the_first_are_named_and_the_others_counted():
    with pytest.raises(ModelRefused, match="'q4' and 2 more; train"):
        columns_of(tuple(f"q{i}" for i in range(7)), SERVED)


def test_reasons_tell_a_warm_up_from_a_number_the_signal_did_not_carry():
    row = np.array([NAN, NAN, 1.0, 0.5, 1.0, NAN], dtype=np.float32)
    assert why_unusable(SERVED, row) == ("warming", "missing_feature:z1")


def test_infinity_is_named_and_a_sound_row_has_no_reason():
    row = np.array([1.0, 2.0, -INF, 0.5, 1.0, 0.0], dtype=np.float32)
    assert why_unusable(SERVED, row) == ("not_finite:atr_14",)
    row[2] = 3e38
    assert why_unusable(SERVED, row) == ()


def test_reasons_are_bounded():
    names = tuple(f"signal_{i}" for i in range(100))
    assert len(why_unusable(names, np.full(100, np.nan, dtype=np.float32))) == 8
