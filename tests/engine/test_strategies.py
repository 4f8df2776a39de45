"""Every strategy keeps the contract; the two that come with the house do what they say."""

import importlib

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.strategy import (
    DECISION_SIZE,
    Strategy,
    load_strategy,
    sources_of,
    strategy_names,
)
from streams.errors import ConfigError
from tests.engine.market import random_bars
from tests.house import ROOT

NAMES = strategy_names()
SAMPLE = ROOT / "streams" / "data" / "us_stocks_daily.parquet"


def columns(bars) -> tuple[np.ndarray, np.ndarray]:
    ts = np.array([bar.ts for bar in bars], dtype=np.int64)
    prices = [(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars]
    return ts, np.array(prices)


def decisions(strategy: Strategy, ts, prices, params=None) -> np.ndarray:
    states = strategy.new_states(1)
    out = np.empty((len(ts), DECISION_SIZE))
    vector = strategy.vector(strategy.decode_params(params or {}, "params"))
    slots = np.zeros(len(ts), dtype=np.int64)
    strategy.update_many(states, slots, ts, np.ascontiguousarray(prices), vector, out)
    return out


@pytest.fixture(scope="module")
def sample():
    table = pl.read_parquet(SAMPLE)
    found = {}
    for (symbol,), rows in table.group_by(["symbol"], maintain_order=True):
        prices = rows.select("open", "high", "low", "close", "volume").to_numpy()
        found[symbol] = (np.arange(1, len(rows) + 1), prices)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_strategy_says_what_it_does(name):
    module = importlib.import_module(f"engine.strategies.{name}")
    text = (module.__doc__ or "").lower()
    for word in ("entry:", "exit:", "technical score:", "warm-up:", "source:"):
        assert word in text, f"{name} does not document its {word}"


@pytest.mark.parametrize("name", NAMES)
def test_parameters_have_defaults_and_a_maximum_hold(name):
    strategy = load_strategy(name)
    params = strategy.decode_params({}, "params")
    assert isinstance(params.max_hold_bars, int)
    assert len(strategy.vector(params)) == len(params.__struct_fields__)


@pytest.mark.parametrize("name", NAMES)
def test_decisions_are_well_formed(name, sample):
    strategy = load_strategy(name)
    entries = 0
    for ts, prices in sample.values():
        out = decisions(strategy, ts, prices)
        assert np.isin(out[:, 0], (-1.0, 0.0, 1.0)).all()
        assert ((out[:, 1] >= 0.0) & (out[:, 1] <= 1.0)).all()
        assert np.isin(out[:, 3:5], (0.0, 1.0)).all()
        made = out[:, 0] != 0.0
        entries += int(made.sum())
        close = prices[made, 3]
        stop = out[made, 2]
        assert ((out[made, 0] * (close - stop) > 0.0) | np.isnan(stop)).all()
        assert not out[~made, 1].any()
    assert entries > 100


@pytest.mark.parametrize("name", NAMES)
@given(cut=st.integers(1, 599), seed=st.integers(0, 9))
def test_the_future_does_not_reach_a_decision(name, cut, seed):
    strategy = load_strategy(name)
    ts, prices = columns(random_bars(count=600, seed=seed))
    whole = decisions(strategy, ts, prices)
    assert decisions(strategy, ts[:cut], prices[:cut]).tobytes() == whole[:cut].tobytes()
    prices[cut:] *= 1e6
    assert decisions(strategy, ts, prices)[:cut].tobytes() == whole[:cut].tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_bar_by_bar_and_in_one_run_are_the_same(name):
    strategy = load_strategy(name)
    ts, prices = columns(random_bars(count=400))
    vector = strategy.vector(strategy.decode_params({}, "params"))
    states = strategy.new_states(3)
    out = np.empty(DECISION_SIZE)
    singly = []
    for at, row in zip(ts.tolist(), prices.tolist(), strict=True):
        strategy.update(states, 1, at, *row, vector, out)
        singly.append(out.copy())
    assert np.array(singly).tobytes() == decisions(strategy, ts, prices).tobytes()
    assert not states[0].any()
    assert not states[2].any()


@pytest.mark.parametrize("name", NAMES)
def test_decisions_are_free_of_scale(name, sample):
    ts, prices = sample["IBM"]
    strategy = load_strategy(name)
    out = decisions(strategy, ts, prices)
    scaled = decisions(strategy, ts, prices * np.array([2.0, 2.0, 2.0, 2.0, 0.5]))
    scaled[:, (2, 5)] /= 2.0
    assert out.tobytes() == scaled.tobytes()


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
        assert free[:, 3:].tobytes() == filtered[:, 3:].tobytes()


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
    ],
)
def test_a_wrong_parameter_is_named(name, values, text):
    with pytest.raises(ConfigError, match=text):
        load_strategy(name).decode_params(values, "run.yaml: strategies.x.params")


def test_a_composed_kernel_draws_on_every_file_it_is_made_of():
    module = importlib.import_module("engine.strategies.breakout")
    assert {source.__name__ for source in sources_of(module)} >= {
        "engine.strategies.breakout",
        "engine.indicators",
        "models.history",
        "models.kernel",
    }
