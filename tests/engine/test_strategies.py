"""Strategies are found by name; the first two of the house do what they say, in numbers."""

import importlib
import types

import numpy as np
import pytest

from engine.strategy import (
    Strategy,
    load_strategy,
    sources_of,
)
from streams.errors import ConfigError
from tests.engine.strategies.sample_bars import Bars, decisions, read_sample


@pytest.fixture(scope="module")
def sample() -> dict[str, Bars]:
    return read_sample()


def test_the_sample_has_the_entries_that_the_docstrings_state(sample):
    bare = {"slow_clearance": 0.0, "trend_ma": 20}
    counts = {"rsi2": 0, "breakout bare": 0, "breakout": 0}
    for ts, prices in sample.values():
        for key, name, params in (
            ("rsi2", "rsi2_mean_reversion", {}),
            ("breakout bare", "breakout", bare),
            ("breakout", "breakout", {}),
        ):
            out = decisions(load_strategy(name), ts, prices, params)
            counts[key] += int((out[:, 0] != 0.0).sum())
    assert counts == {"rsi2": 693, "breakout bare": 1063, "breakout": 648}


def test_rsi_is_wilders(sample):
    """Against the textbook recursion, written out."""
    ts, prices = sample["MSFT"]
    close = prices[:300, 3]
    changes = np.diff(close)
    gain, loss = np.maximum(changes[:2], 0).mean(), np.maximum(-changes[:2], 0).mean()
    expected = [100.0 * gain / (gain + loss)]
    for change in changes[2:]:
        gain, loss = (gain + max(change, 0.0)) / 2, (loss + max(-change, 0.0)) / 2
        expected.append(100.0 * gain / (gain + loss))
    out = decisions(load_strategy("rsi2_mean_reversion"), ts[:300], prices[:300], {"trend_ma": 2})
    rsi = np.array(expected)
    mean_2 = (close[2:] + close[1:-1]) / 2
    assert out[2:, 3].tolist() == (rsi > 65.0).astype(float).tolist()
    entered = (rsi < 10.0) & (close[2:] > mean_2)
    assert out[2:, 0].tolist() == entered.astype(float).tolist()


def test_without_a_trend_filter_a_dip_is_enough(sample):
    strategy = load_strategy("rsi2_mean_reversion")
    for ts, prices in sample.values():
        filtered = decisions(strategy, ts, prices)
        free = decisions(strategy, ts, prices, {"trend_ma": 0})
        # What the filter lets through is among what needs none, and the rest is as it was.
        entered = filtered[:, 0] != 0.0
        assert free[entered].tobytes() == filtered[entered].tobytes()
        assert (free[:, 0] != 0.0).sum() > 1.2 * entered.sum()
        assert free[:, 3:5].tobytes() == filtered[:, 3:5].tobytes()


def test_without_a_trend_filter_the_warm_up_is_that_of_rsi():
    fall = np.array([(c, c, c, c, 1.0) for c in (100.0, 99.0, 98.0, 97.0, 96.0)])
    for period in (2, 3):
        params = {"trend_ma": 0, "period": period}
        out = decisions(load_strategy("rsi2_mean_reversion"), np.arange(1, 6), fall, params)
        assert out[:, 0].tolist() == [float(row >= period) for row in range(5)]


def test_the_score_of_a_dip_is_its_depth():
    strategy = load_strategy("rsi2_mean_reversion")
    close = [100.0 + i for i in range(30)] + [128.5, 120.0]
    prices = np.array([(c, c + 1.0, c - 1.0, c, 1.0) for c in close])
    out = decisions(strategy, np.arange(1, 33), prices, {"trend_ma": 30})
    # Gains of 1 a bar, then losses of .5 and 8.5: RSI = 100 * .25 / (.25 + 4.375) = 5.4054.
    assert out[-1, 0] == 1.0
    assert out[-1, 1] == pytest.approx(1.0 - 100.0 * 0.25 / 4.625 / 10.0)
    # True ranges: 12 bars of 2, then 2 (129 -> 128.5) and 9.5 (128.5 -> low 119).
    atr = (12 * 2.0 + 2.0 + 9.5) / 14
    assert out[-1, 5] == pytest.approx(atr)
    assert out[-1, 2] == pytest.approx(120.0 - 2.5 * atr)


def test_the_score_of_a_breakout_is_its_clearance_in_atr():
    strategy = load_strategy("breakout")
    prices = np.array([(100.0, 101.0, 99.0, 100.0, 1.0)] * 60 + [(100.0, 104.0, 100.0, 103.0, 1.0)])
    out = decisions(strategy, np.arange(1, 62), prices)
    assert not out[:60, 0].any()
    atr = (13 * 2.0 + 4.0) / 14
    assert out[-1, 0] == 1.0
    assert out[-1, 1] == pytest.approx(2.0 / (2.0 + atr))
    assert out[-1, 2] == pytest.approx(103.0 - 2.5 * atr)
    tight = decisions(strategy, np.arange(1, 62), prices, {"fast_clearance": 0.02})
    assert not tight[:, 0].any()


def test_an_unknown_strategy_names_the_nearest():
    with pytest.raises(ConfigError, match="'brekout': did you mean breakout"):
        load_strategy("brekout")


@pytest.mark.parametrize(
    ("name", "values", "text"),
    [
        ("breakout", {"exit_ma": 30}, "exit_ma was 30 .*allowed: 20, 50"),
        ("breakout", {"slow_clearance": 0.9}, "slow_clearance must be float <= 0.2, was 0.9"),
        ("rsi2_mean_reversion", {"entri": 5.0}, "did you mean entry"),
        ("rsi2_mean_reversion", {"period": 1}, "period must be int >= 2, was 1"),
        (
            "rsi2_mean_reversion",
            {"trend_ma": 1},
            r"trend_ma 0 \(no trend filter\) or 2 to 250, was",
        ),
        ("rsi2_mean_reversion", {"trend_ma": 251}, "trend_ma must be int <= 250, was 251"),
        ("gap_fade", {"trend_ma": 1}, r"trend_ma 0 \(no trend filter\) or 2 to 250, was"),
        (
            "moving_average_cross",
            {"fast_ma": 100},
            r"must be given with fast_ma below slow_ma \(they were 100 and 100\), was \{'fast_ma'",
        ),
        ("macd_trend", {"slow": 12}, r"given with fast below slow \(they were 12 and 12\)"),
        ("donchian_trend", {"exit_bars": 60}, r"exit_bars below entry_bars \(they were 60 and 55"),
        ("momentum_rank", {"lookback_bars": 20}, r"skip_bars below lookback_bars \(they were 21"),
        (
            "keltner_breakout",
            {"longs": False, "shorts": False},
            r"given with longs or shorts \(or both\) true: it would never signal, was",
        ),
    ],
)
def test_a_wrong_parameter_is_named(name, values, text):
    with pytest.raises(ConfigError, match=text):
        load_strategy(name).decode_params(values, "run.yaml: strategies.x.params")


def test_nothing_is_compiled_before_somebody_asks():
    strategy = Strategy("breakout", importlib.import_module("engine.strategies.breakout"))
    composed = ("update", "update_many", "run", "indicators_many")
    assert not set(composed) & set(vars(strategy))
    assert strategy.run is strategy.run
    assert set(composed) & set(vars(strategy)) == {"run"}


def test_a_strategy_without_indicators_says_so():
    bare = types.SimpleNamespace(Params=load_strategy("breakout").params_type, STATE_SIZE=0)
    strategy = Strategy("bare", bare)
    assert strategy.indicator_names == ()
    with pytest.raises(ConfigError, match="strategy bare has no indicators: give its file INDIC"):
        strategy.indicators_many  # noqa: B018


def test_the_sides_follow_from_the_parameters():
    breakout, cross = load_strategy("breakout"), load_strategy("moving_average_cross")
    for strategy, values, sides in (
        (breakout, {}, (1,)),
        (breakout, {"shorts": True}, (1, -1)),
        (cross, {}, (1, -1)),
        (cross, {"longs": False}, (-1,)),
    ):
        assert strategy.sides(strategy.decode_params(values, "params")) == sides


def test_a_composed_kernel_draws_on_every_file_it_is_made_of():
    module = importlib.import_module("engine.strategies.breakout")
    assert {source.__name__ for source in sources_of(module)} >= {
        "engine.strategies.breakout",
        "engine.indicators",
        "models.history",
        "models.kernel",
    }
