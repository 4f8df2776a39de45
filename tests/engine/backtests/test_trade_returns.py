"""One unit of capital per symbol earns, bar by bar, what its trades made net of their costs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backtests.backtest import run_strategy
from engine.backtests.bar_history import BarHistory
from engine.backtests.trade_log import TradeLog, figures_of
from engine.backtests.trade_returns import mark_trades, trade_returns
from engine.settings import CostSettings, StrategySettings
from streams.errors import ConfigError
from streams.source_settings import SourceSettings
from trainers.research.histories import read_history

COSTS = CostSettings(bps_per_side=3.0, commission_per_side=0.02, slippage_ticks=2.0)
FREE = CostSettings(bps_per_side=0.0)
DAY_NS = 86_400_000_000_000


@pytest.fixture(scope="module")
def sample() -> BarHistory:
    return read_history(SourceSettings(kind="sample"))


def history_of_closes(*closes: list[float]) -> BarHistory:
    """Symbols A, B, … whose bars open, peak and close at one price."""
    lengths = [len(one) for one in closes]
    prices = np.array([price for one in closes for price in one])
    values = np.column_stack([prices] * 4 + [np.ones(len(prices))])
    return BarHistory(
        symbols=tuple("ABCDEFGH"[: len(closes)]),
        interval="1d",
        starts=np.concatenate(([0], np.cumsum(lengths))),
        ts=np.concatenate([np.arange(1, n + 1) * DAY_NS for n in lengths]),
        values=values,
    )


def log_of_trades(*trades: tuple[int, int, int, int, float, float]) -> TradeLog:
    """Trades as (slot, entry row, exit row or -1, side, entry price, exit price)."""
    slot, entry, exit_, side, entry_price, exit_price = (
        np.array(column) for column in zip(*trades, strict=True)
    )
    count = len(trades)
    zeros, ones = np.zeros(count, dtype=np.int64), np.ones(count)
    return TradeLog(
        signal_row=entry - 1,
        entry_row=entry,
        exit_row=exit_,
        decided_row=np.full(count, -1),
        slot=slot,
        side=side,
        reason=zeros,
        bars_held=zeros,
        score=ones,
        price=ones,
        stop=ones,
        atr=ones,
        entry_price=entry_price.astype(np.float64),
        exit_price=exit_price.astype(np.float64),
        risk=ones,
        has_stop=zeros,
    )


@pytest.mark.parametrize("name", ["rsi2_mean_reversion", "breakout"])
def test_the_returns_of_a_symbol_compound_to_its_trades_net_figures(name, sample):
    log = run_strategy(StrategySettings(name=name), sample)
    costs = [COSTS] * len(sample.symbols)
    returns = trade_returns(log, sample, costs)
    net = figures_of(log, costs).y_pnl_net / log.entry_price
    assert log.is_closed.sum() > 150
    for k in np.flatnonzero(log.is_closed):
        held = slice(log.entry_row[k], log.exit_row[k] + 1)
        assert np.prod(1.0 + returns[held]) == pytest.approx(1.0 + net[k], rel=1e-12)
    closed = np.zeros(len(sample), dtype=bool)
    for k in np.flatnonzero(log.entry_row >= 0):
        closed[log.entry_row[k] : log.exit_row[k] + 1 if log.exit_row[k] >= 0 else None] = True
    assert not returns[~closed].any()


@settings(max_examples=60, deadline=None)
@given(
    closes=st.lists(st.floats(1.0, 1.9), min_size=6, max_size=30),
    side=st.sampled_from([1, -1]),
    bounds=st.tuples(st.integers(1, 5), st.integers(0, 20)),
    prices=st.tuples(st.floats(1.0, 1.9), st.floats(1.0, 1.9)),
)
def test_a_trade_earns_its_net_figure_whatever_the_path(closes, side, bounds, prices):
    history = history_of_closes([1.5], closes)
    entry, exit_ = 1 + bounds[0], min(1 + bounds[0] + bounds[1], len(closes))
    log = log_of_trades((1, entry, exit_, side, *prices))
    costs = [CostSettings(), CostSettings(bps_per_side=5.0, commission_per_side=0.001)]
    returns = trade_returns(log, history, costs)
    net = figures_of(log, costs).y_pnl_net[0] / prices[0]
    assert np.prod(1.0 + returns) == pytest.approx(1.0 + net, rel=1e-9)
    assert (returns > -1.0).all()


def test_bars_are_marked_at_the_close_and_costs_taken_off_once_on_each_side():
    history = history_of_closes([100.0, 104.0, 110.0, 90.0])
    log = log_of_trades((0, 1, 3, 1, 100.0, 105.0))
    costs = [CostSettings(bps_per_side=0.0, commission_per_side=1.0)]
    marked = mark_trades(log, history, costs)
    assert marked.returns == pytest.approx([0.0, 0.03, 1.09 / 1.03 - 1.0, 1.03 / 1.09 - 1.0])
    assert marked.exposure == pytest.approx([0.0, 1.04 / 1.03, 1.10 / 1.09, 0.0])


def test_an_open_trade_has_paid_its_entry_and_is_marked_at_the_last_close():
    history = history_of_closes([100.0, 100.0, 80.0])
    log = log_of_trades((0, 1, -1, -1, 100.0, np.nan))
    costs = [CostSettings(bps_per_side=100.0)]
    assert trade_returns(log, history, costs) == pytest.approx([0.0, -0.01, 1.19 / 0.99 - 1.0])


def test_a_short_that_costs_more_than_all_of_it_ends_there_and_the_next_begins_anew():
    history = history_of_closes([10.0, 10.0, 25.0, 30.0, 5.0, 10.0, 11.0])
    log = log_of_trades((0, 1, 4, -1, 10.0, 5.0), (0, 5, 6, 1, 10.0, 11.0))
    returns = trade_returns(log, history, [FREE])
    assert returns == pytest.approx([0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.1])


def test_trades_that_share_a_bar_are_refused():
    history = history_of_closes([1.0] * 3, [1.0] * 9)
    apart = log_of_trades((1, 4, 5, 1, 1.0, 1.0), (1, 6, 7, 1, 1.0, 1.0))
    assert not trade_returns(apart, history, [FREE, FREE]).any()
    with pytest.raises(ConfigError, match=r"trades of B overlap \(signal 1\)"):
        trade_returns(
            log_of_trades((1, 4, 6, 1, 1.0, 1.0), (1, 6, 7, 1, 1.0, 1.0)), history, [FREE, FREE]
        )
    with pytest.raises(ConfigError, match="overlap"):
        trade_returns(
            log_of_trades((1, 4, -1, 1, 1.0, 1.0), (1, 8, 8, 1, 1.0, 1.0)), history, [FREE, FREE]
        )


def test_a_signal_without_an_entry_earns_nothing(sample):
    history = history_of_closes([1.0, 2.0])
    log = log_of_trades((0, -1, -1, 1, np.nan, np.nan))
    assert not trade_returns(log, history, [FREE]).any()
    none = sample.between(0, 0)
    empty = run_strategy(StrategySettings(name="breakout"), none)
    assert trade_returns(empty, none, [FREE] * len(none.symbols)).shape == (0,)
