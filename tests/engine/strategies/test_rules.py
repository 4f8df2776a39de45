"""Every strategy decides as its rule is written in the books, and measures what it names."""

import msgspec
import numpy as np
import pytest

from engine.strategy import load_strategy, strategy_names
from tests.engine.strategies import textbook_reversion, textbook_trend
from tests.engine.strategies.sample_bars import indicators, sides_of
from tests.engine.strategies.textbook import Columns, Told, atr

RULES = textbook_reversion.RULES | textbook_trend.RULES
NAMES = strategy_names()

OTHERS = {
    "adx_trend": {"period": 9, "threshold": 30.0},
    "bollinger_reversion": {"period": 30, "width": 1.5, "trend_ma": 100},
    "breakout": {"exit_ma": 50, "fast_clearance": 0.01, "slow_clearance": 0.0, "trend_ma": 20},
    "consecutive_closes": {"bars": 4, "exit_ma": 10, "trend_ma": 50},
    "donchian_trend": {"entry_bars": 20, "exit_bars": 1},
    "gap_fade": {"min_gap_atr": 0.05, "trend_ma": 50},
    "ibs_reversion": {"entry": 0.25, "exit": 0.6, "trend_ma": 20},
    "keltner_breakout": {"period": 40, "width": 1.0},
    "macd_trend": {"fast": 5, "slow": 34, "signal": 5, "trend_ma": 100},
    "momentum_rank": {"lookback_bars": 100, "skip_bars": 0, "entry": 1.0},
    "moving_average_cross": {"fast_ma": 1, "slow_ma": 250},
    "rsi2_mean_reversion": {"period": 3, "entry": 25.0, "exit": 80.0, "trend_ma": 50},
    "stochastic_reversion": {"period": 5, "smooth": 1, "entry": 30.0, "trend_ma": 50},
    "volatility_contraction": {"bars": 4, "exit_ma": 20, "trend_ma": 100},
}
"""Parameters beside the defaults: each strategy is held to its rule with both."""


def largest_of(name: str) -> dict[str, int]:
    """Every number of bars at its largest: no window may reach beyond the history that is kept."""
    info = msgspec.inspect.type_info(load_strategy(name).params_type)
    found = {}
    for field in info.fields:
        type_ = field.type.type if isinstance(field.type, msgspec.inspect.Metadata) else field.type
        if isinstance(type_, msgspec.inspect.LiteralType):
            found[field.name] = max(type_.values)
        elif isinstance(type_, msgspec.inspect.IntType):
            found[field.name] = type_.le
    return found


def by_the_book(name: str, prices: np.ndarray, params: msgspec.Struct) -> tuple[Told, Told]:
    bars = Columns(*(prices[:, column].copy() for column in range(4)))
    with np.errstate(divide="ignore", invalid="ignore"):
        return RULES[name](bars, params), RULES[name](bars.mirrored(), params)


def test_every_strategy_has_its_rule_in_the_books():
    assert set(RULES) == set(OTHERS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["default", "other", "largest"])
def test_a_strategy_decides_by_its_rule(name, kind, sample):
    strategy = load_strategy(name)
    values = {"default": {}, "other": OTHERS[name], "largest": largest_of(name)}[kind]
    values = values | sides_of(strategy, longs=True, shorts=True)
    params = strategy.decode_params(values, "params")
    entries = 0
    for ts, prices in sample.values():
        longs, shorts = by_the_book(name, prices, params)
        decided, measured = indicators(strategy, ts, prices, values)
        side = longs.enter.astype(float) - shorts.enter.astype(float)
        assert decided[:, 0].tolist() == side.tolist()
        assert decided[:, 3].tolist() == longs.leave.astype(float).tolist()
        assert decided[:, 4].tolist() == shorts.leave.astype(float).tolist()
        entries += int(np.count_nonzero(side))
        for told, sign in ((longs, 1.0), (shorts, -1.0)):
            made = told.enter
            np.testing.assert_allclose(decided[made, 1], told.score[made], rtol=1e-6, atol=1e-9)
            away = params.hard_stop_atr_mult * decided[made, 5]
            np.testing.assert_allclose(decided[made, 2], prices[made, 3] - sign * away, rtol=1e-12)
        for number, indicator in enumerate(strategy.indicator_names):
            expected = longs.indicators[indicator]
            np.testing.assert_allclose(
                measured[:, number], expected, rtol=1e-8, atol=1e-8, err_msg=indicator
            )
    assert entries > 50 or kind == "largest"


def test_the_true_range_is_averaged_by_the_book(sample):
    strategy = load_strategy("ibs_reversion")
    for ts, prices in sample.values():
        decided, _ = indicators(strategy, ts, prices)
        expected = atr(Columns(*(prices[:, column] for column in range(4))))
        signals = decided[:, 0] != 0.0
        np.testing.assert_allclose(decided[signals, 5], expected[signals], rtol=1e-12)
        assert np.isnan(decided[~signals, 5]).all()
