"""The windows that families share hold what they say, on every bar."""

import numpy as np
import pytest

from models.feature_history import (
    CLOSE,
    CUBED_RETURN,
    LAGGED_RETURNS,
    LOG_RATIO_MAX,
    LOG_RETURN,
    MEASURES,
    WINDOWS_SIZE,
    observe,
)
from models.history import HISTORY_SIZE, HISTORY_WINDOW, push
from tests.models.bars import flat, market

BARS = market(5, 330)
HIGH, LOW, CLOSES = BARS.values[:, 1], BARS.values[:, 2], BARS.values[:, 3]
EXTREMES = {"last_5": 5, "last_14": 14, "last_20": 20, "last_60": 60, "last_252": 252}
SUMS = {"sum_5": 5, "sum_10": 10, "sum_20": 20, "sum_60": 60}


def walk(values: np.ndarray):
    state = np.zeros(HISTORY_SIZE + WINDOWS_SIZE)
    with np.errstate(all="ignore"):
        for i, bar in enumerate(values):
            yield i + 1, observe(state[HISTORY_SIZE:], push(state[:HISTORY_SIZE], i, *bar))


def test_extremes_are_those_of_the_window_or_of_all_bars_while_fewer():
    for count, history in walk(BARS.values):
        for name, bars in EXTREMES.items():
            first = max(count - bars, 0)
            assert getattr(history.highest, name) == HIGH[first:count].max(), (name, count)
            assert getattr(history.lowest, name) == LOW[first:count].min(), (name, count)


def test_sums_are_those_of_the_window():
    returns = np.diff(np.log(CLOSES), prepend=np.nan)
    lagged = returns * np.concatenate([[np.nan], returns[:-1]])
    for count, history in walk(BARS.values):
        for name, bars in SUMS.items():
            sums = getattr(history, name)
            assert sums.shape == (MEASURES,)
            if count >= bars:
                window = slice(count - bars, count)
                assert sums[CLOSE] == pytest.approx(CLOSES[window].sum(), rel=1e-14)
            wanted = {LOG_RETURN: returns, CUBED_RETURN: returns**3, LAGGED_RETURNS: lagged}
            for measure, series in wanted.items():
                if count >= bars + 2:
                    total = series[count - bars : count].sum()
                    assert sums[measure] == pytest.approx(total, rel=1e-9, abs=1e-15)


def test_a_sum_that_holds_the_first_bar_knows_no_return():
    for count, history in walk(BARS.values[:70]):
        for name, bars in SUMS.items():
            is_known = np.isfinite(getattr(history, name)[LOG_RETURN])
            if count <= bars:
                assert not is_known, f"{name} at bar {count}"
            else:
                assert is_known, f"{name} at bar {count}"


def test_the_first_bar_has_no_past():
    _, history = next(walk(BARS.values[:1]))
    assert np.isnan(history.previous_close)
    assert np.isnan(history.log_return)
    assert history.true_range == HIGH[0] - LOW[0]


def test_a_log_ratio_is_bounded():
    values = flat(3).values
    values[1, :4], values[2, :4] = 1e-300, 1e15
    returns = [history.log_return for _, history in walk(values)][1:]
    assert returns == [pytest.approx(np.log(1e-300 / 101.3)), LOG_RATIO_MAX]


def test_the_last_bars_lie_side_by_side():
    for count, history in walk(BARS.values):
        known = min(count, HISTORY_WINDOW)
        window = slice(history.end - known, history.end)
        for series, wanted in zip(
            (history.open, history.high, history.low, history.close, history.volume),
            BARS.values.T,
            strict=True,
        ):
            assert (series[window] == wanted[count - known : count]).all()
