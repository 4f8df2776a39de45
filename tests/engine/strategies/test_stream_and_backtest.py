"""Every strategy trades in the stream as in the backtest, bit for bit, and pays once per side."""

from collections import defaultdict

import numpy as np
import pytest

from engine.backtests.backtest import run_strategy
from engine.backtests.bar_history import BarHistory
from engine.backtests.trade_log import figures_of
from engine.settings import CostSettings, StrategySettings
from engine.simulation import Simulation
from engine.strategy import load_strategy, strategy_names
from engine.trade import REASON_NAMES
from models.feature_set import load_feature_set
from streams.columns import expand_signals, pack_bars
from streams.events import Outcome, Signal, Signals
from streams.session import session
from streams.source import bar_frames
from streams.source_settings import SourceSettings
from tests.engine.strategies.sample_bars import sides_of
from trainers.research.histories import read_history

NAMES = strategy_names()
SOURCE = SourceSettings(kind="sample")
COSTS = CostSettings(
    bps_per_side=1.5, commission_per_side=0.005, slippage_ticks=1.0, tick_size=0.01
)
SETTINGS = {
    name: StrategySettings(
        name=name, params=sides_of(load_strategy(name), longs=True, shorts=True), costs=COSTS
    )
    for name in NAMES
}


@pytest.fixture(scope="module")
def history() -> BarHistory:
    return read_history(SOURCE)


@pytest.fixture(scope="module")
def stream():
    """Signals and outcomes of all strategies at once, by strategy, then by (symbol, ts)."""
    simulation = Simulation(tuple(SETTINGS.values()), load_feature_set(), session("us_equity"))
    signals, outcomes = defaultdict(dict), defaultdict(dict)
    for frame in bar_frames(SOURCE):
        for answer in simulation.step(pack_bars(frame)):
            event = answer.event
            if isinstance(event, Signal | Signals):
                rows = [event] if isinstance(event, Signal) else expand_signals(event)
                for row in rows:
                    signals[row.strategy][row.symbol, row.ts] = row
            elif isinstance(event, Outcome):
                outcomes[event.strategy][event.symbol, event.ts] = event
    return signals, outcomes


@pytest.mark.parametrize("name", NAMES)
def test_the_backtest_makes_the_signals_of_the_stream(name, history, stream):
    log = run_strategy(SETTINGS[name], history)
    found = {
        (history.symbols[log.slot[i]], int(history.ts[log.signal_row[i]])): (
            int(log.side[i]),
            float(log.score[i]),
            float(log.price[i]),
            float(log.stop[i]) if log.has_stop[i] else None,
        )
        for i in range(log.signals)
    }
    said = stream[0][name]
    assert {key: (s.side, s.score, s.price, s.stop) for key, s in said.items()} == found
    assert {side for side, *_ in found.values()} == {1, -1}


@pytest.mark.parametrize("name", NAMES)
def test_the_backtest_closes_the_trades_of_the_stream(name, history, stream):
    log = run_strategy(SETTINGS[name], history)
    figures = figures_of(log, [COSTS] * len(history.symbols))
    found = {
        (history.symbols[log.slot[i]], int(history.ts[log.signal_row[i]])): (
            int(history.ts[log.entry_row[i]]),
            int(history.ts[log.exit_row[i]]),
            float(log.entry_price[i]),
            float(log.exit_price[i]),
            REASON_NAMES[log.reason[i]],
            float(figures.r_multiple[i]),
        )
        for i in np.flatnonzero(figures.is_sound)
    }
    said = stream[1][name]
    assert len(said) > 30
    assert found == {
        key: (o.entry_ts, o.exit_ts, o.entry_price, o.exit_price, o.exit_reason, o.r_multiple)
        for key, o in said.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_costs_are_paid_once_on_each_side(name, stream):
    for outcome in stream[1][name].values():
        assert outcome.y_pnl_gross == outcome.side * (outcome.exit_price - outcome.entry_price)
        bps = 1.5e-4 * (outcome.entry_price + outcome.exit_price)
        paid = bps + 2 * 0.005 + 2 * 0.01
        assert outcome.y_pnl_gross - outcome.y_pnl_net == pytest.approx(paid, rel=1e-9)
