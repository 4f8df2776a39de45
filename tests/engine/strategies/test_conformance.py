"""Every strategy keeps the contract: found by its file, it runs through all of this."""

import importlib
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.strategy import (
    ATR,
    DECISION_SIZE,
    ENTRY_SIDE,
    EXIT_LONG,
    EXIT_SHORT,
    SCORE,
    STOP_PRICE,
    load_strategy,
    strategy_names,
)
from streams.errors import ConfigError
from tests.engine.market import random_bars
from tests.engine.strategies.sample_bars import columns, decisions, indicators, sides_of

NAMES = strategy_names()

WORDS = ("entry:", "exit:", "technical score:", "warm-up:", "source:", "scale-free")


def both_sides(name: str) -> dict[str, bool]:
    return sides_of(load_strategy(name), longs=True, shorts=True)


def test_the_families_of_a_research_desk_are_there():
    assert len(NAMES) >= 12
    assert {"rsi2_mean_reversion", "breakout", "momentum_rank", "gap_fade"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_strategy_says_what_it_does(name):
    text = (importlib.import_module(f"engine.strategies.{name}").__doc__ or "").lower()
    for word in WORDS:
        assert word in text, f"{name} does not document its {word}"
    for parameter in load_strategy(name).params_type.__struct_fields__:
        assert parameter in ("longs", "shorts") or f"`{parameter}`" in text, (
            f"{name} does not document {parameter}"
        )


@pytest.mark.parametrize("name", NAMES)
def test_parameters_have_defaults_and_a_maximum_hold(name):
    strategy = load_strategy(name)
    params = strategy.decode_params({}, "params")
    assert isinstance(params.max_hold_bars, int)
    assert params.hard_stop_atr_mult > 0.0
    assert params.shorts or getattr(params, "longs", True)
    assert strategy.vector(params).tolist() == [
        float(getattr(params, field)) for field in params.__struct_fields__
    ]


@pytest.mark.parametrize("name", NAMES)
def test_decisions_are_well_formed(name, sample):
    strategy = load_strategy(name)
    entries = 0
    for ts, prices in sample.values():
        out = decisions(strategy, ts, prices, both_sides(name))
        assert np.isin(out[:, 0], (-1.0, 0.0, 1.0)).all()
        assert ((out[:, 1] >= 0.0) & (out[:, 1] <= 1.0)).all()
        assert np.isin(out[:, 3:5], (0.0, 1.0)).all()
        made = out[:, 0] != 0.0
        entries += int(made.sum())
        close = prices[made, 3]
        stop = out[made, 2]
        assert ((out[made, 0] * (close - stop) > 0.0) | np.isnan(stop)).all()
        assert not out[~made, 1].any()
        assert np.isnan(out[~made, 2]).all()
    assert entries > 100


@pytest.mark.parametrize("name", NAMES)
def test_scores_tell_signals_apart(name, sample):
    """The portfolio gives its slots to the highest: a constant would rank nothing."""
    found = [decisions(load_strategy(name), ts, prices) for ts, prices in sample.values()]
    scores = np.concatenate([out[out[:, 0] != 0.0, 1] for out in found])
    assert scores.std() > 0.04
    assert 0.1 < scores.mean() < 0.9


@pytest.mark.parametrize("name", NAMES)
def test_longs_and_shorts_trade_where_they_are_switched_on(name, sample):
    strategy = load_strategy(name)
    has_longs = "longs" in strategy.params_type.__struct_fields__
    sides = [(True, True), (True, False), *([(False, True)] if has_longs else [])]
    for longs, shorts in sides:
        values = sides_of(strategy, longs=longs, shorts=shorts)
        made = [decisions(strategy, ts, prices, values) for ts, prices in sample.values()]
        every = np.concatenate(made)
        assert (every[:, 0] > 0.0).any() == (every[:, 3] > 0.0).any() == longs
        assert (every[:, 0] < 0.0).any() == (every[:, 4] > 0.0).any() == shorts


@pytest.mark.parametrize("name", NAMES)
def test_a_side_does_not_change_the_other(name, sample):
    strategy = load_strategy(name)
    ts, prices = sample["IBM"]
    alone = decisions(strategy, ts, prices, sides_of(strategy, longs=True, shorts=False))
    both = decisions(strategy, ts, prices, both_sides(name))
    longs = alone[:, 0] > 0.0
    others = [ENTRY_SIDE, SCORE, STOP_PRICE, EXIT_LONG, ATR]
    assert both[longs][:, others].tobytes() == alone[longs][:, others].tobytes()
    assert not alone[:, EXIT_SHORT].any()
    assert both[:, 3].tobytes() == alone[:, 3].tobytes()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15)
@given(cut=st.integers(1, 599), seed=st.integers(0, 9))
def test_the_future_does_not_reach_a_decision(name, cut, seed):
    strategy, values = load_strategy(name), both_sides(name)
    ts, prices = columns(random_bars(count=600, seed=seed))
    whole, measured = indicators(strategy, ts, prices, values)
    assert decisions(strategy, ts[:cut], prices[:cut], values).tobytes() == whole[:cut].tobytes()
    prices[cut:] *= 1e6
    perturbed, measured_then = indicators(strategy, ts, prices, values)
    assert perturbed[:cut].tobytes() == whole[:cut].tobytes()
    assert measured_then[:cut].tobytes() == measured[:cut].tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_bar_by_bar_and_in_one_run_are_the_same(name):
    strategy, values = load_strategy(name), both_sides(name)
    ts, prices = columns(random_bars(count=400))
    vector = strategy.vector(strategy.decode_params(values, "params"))
    states = strategy.new_states(3)
    out = np.empty((len(ts), DECISION_SIZE))
    slots = np.array([1])
    for i in range(len(ts)):
        row = slice(i, i + 1)
        strategy.update_many(states, slots, ts[row], prices[row], vector, out[row])
    assert out.tobytes() == decisions(strategy, ts, prices, values).tobytes()
    assert not states[0].any()
    assert not states[2].any()


@pytest.mark.parametrize("name", ["rsi2_mean_reversion", "macd_trend"])
def test_one_bar_is_decided_as_many_are(name):
    """Of the strategies with a state: all are composed alike."""
    strategy, values = load_strategy(name), both_sides(name)
    ts, prices = columns(random_bars(count=400))
    vector = strategy.vector(strategy.decode_params(values, "params"))
    states = strategy.new_states(1)
    out = np.empty((len(ts), DECISION_SIZE))
    for i, (at, row) in enumerate(zip(ts.tolist(), prices.tolist(), strict=True)):
        strategy.update(states, 0, at, *row, vector, out[i])
    assert out.tobytes() == decisions(strategy, ts, prices, values).tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_decisions_are_free_of_scale(name, sample):
    ts, prices = sample["IBM"]
    strategy, values = load_strategy(name), both_sides(name)
    out = decisions(strategy, ts, prices, values)
    scaled = decisions(strategy, ts, prices * np.array([2.0, 2.0, 2.0, 2.0, 0.5]), values)
    scaled[:, (2, 5)] /= 2.0
    assert out.tobytes() == scaled.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_market_that_stands_still_is_not_traded(name):
    for price in (17.1, 0.3, 1e5 / 3.0):
        still = np.full((400, 5), price)
        out = decisions(load_strategy(name), np.arange(1, 401), still, both_sides(name))
        assert not out[:, :2].any()


@pytest.mark.parametrize("name", NAMES)
def test_a_halted_market_is_not_traded_whatever_came_before(name):
    """Of 14 bars at one price the ATR is 0: a stop would stand at the close and risk nothing."""
    strategy, values = load_strategy(name), both_sides(name)
    tried = 0
    for seed in range(4):
        ts, prices = columns(random_bars(count=700, seed=seed))
        moving = decisions(strategy, ts, prices, values)
        for start, stop in ((300, 330), (400, 640)):
            prices[start:stop, :4] = prices[start - 1, 3]
        out = decisions(strategy, ts, prices, values)
        halted = [*range(313, 330), *range(413, 640)]
        assert not out[halted][:, [ENTRY_SIDE, SCORE]].any()
        assert np.isnan(out[halted][:, [STOP_PRICE, ATR]]).all()
        made = out[:, ENTRY_SIDE] != 0.0
        losing = out[made, ENTRY_SIDE] * (prices[made, 3] - out[made, STOP_PRICE])
        assert (losing > 0.0).all()
        tried += int((moving[halted][:, ENTRY_SIDE] != 0.0).sum())
    assert tried > 0


@pytest.mark.parametrize("name", NAMES)
def test_indicators_go_with_the_same_decisions(name, sample):
    strategy, values = load_strategy(name), both_sides(name)
    assert strategy.indicator_names
    assert len(set(strategy.indicator_names)) == len(strategy.indicator_names)
    for ts, prices in sample.values():
        decided, out = indicators(strategy, ts, prices, values)
        assert decided.tobytes() == decisions(strategy, ts, prices, values).tobytes()
        assert np.isfinite(out[decided[:, 0] != 0.0]).all()
        # Once warm, an indicator stays so.
        warm = np.isfinite(out)
        assert (np.diff(warm.astype(np.int8), axis=0) >= 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_searched_is_allowed(name):
    strategy = load_strategy(name)
    space = strategy.search_space()
    assert len(space) >= 3
    assert "hard_stop_atr_mult" in space
    assert "max_hold_bars" not in space
    corners = [one.choices or (one.low, one.high) for one in space.values()]
    for values in product(*corners):
        assert strategy.decode_params(dict(zip(space, values, strict=True)), "params")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_out_of_range_is_refused(name):
    strategy = load_strategy(name)
    for field in strategy.params_type.__struct_fields__:
        for value in (-1e9, 10**9, "much"):
            with pytest.raises(ConfigError, match=field):
                strategy.decode_params({field: value}, "params")
    if "longs" in strategy.params_type.__struct_fields__:
        with pytest.raises(ConfigError, match=r"longs or shorts \(or both\) true"):
            strategy.decode_params({"longs": False, "shorts": False}, "params")
