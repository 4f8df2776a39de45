"""Runs of one strategy with one set of parameters: all symbols in one pass over the bars.

A symbol's curve is that of one unit of capital, reinvested (`engine.backtests.trade_returns`).
The pooled curve spreads one capital evenly, anew at every close, over the symbols that trade
there: those whose first bar has come and whose last has not gone. Its trades are in the pooled
capital's currency, as large as their symbol's share at the close before their entry.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.backtests.backtest import run_strategy
from engine.backtests.bar_history import BarHistory
from engine.backtests.trade_log import TradeFigures, TradeLog, figures_of
from engine.backtests.trade_returns import MarkedTrades, mark_trades
from engine.settings import CostSettings, StrategySettings
from trainers.statistics.closed_trades import ClosedTrades
from trainers.statistics.equity_curve import equity_curve
from trainers.statistics.performance import Performance, performance_of
from trainers.sweeps.sweep_run import POOLED

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class _Backtest(NamedTuple):
    history: BarHistory
    log: TradeLog
    figures: TradeFigures
    marked: MarkedTrades


def run_batch(
    strategy: str,
    params: dict[str, Any],
    history: BarHistory,
    costs: Sequence[CostSettings],
    symbols: Sequence[str],
) -> list[Performance]:
    """Return the performance on each of `symbols`, where POOLED stands for all of the history's.

    `costs` has one entry per symbol of the history.
    """
    settings = StrategySettings(name=strategy, params=params, interval=history.interval)
    if POOLED not in symbols and len(symbols) < len(history.symbols):
        by_symbol = dict(zip(history.symbols, costs, strict=True))
        history = history.of_symbols(tuple(symbols))
        costs = [by_symbol[symbol] for symbol in history.symbols]
    log = run_strategy(settings, history)
    done = _Backtest(
        history, log, figures_of(log, list(costs)), mark_trades(log, history, list(costs))
    )
    places = {symbol: slot for slot, symbol in enumerate(history.symbols)}
    return [
        _pooled(done) if symbol == POOLED else _alone(done, places[symbol]) for symbol in symbols
    ]


def _alone(done: _Backtest, slot: int) -> Performance:
    history = done.history
    rows = slice(int(history.starts[slot]), int(history.starts[slot + 1]))
    # Trades lie by symbol: those of one are side by side.
    trades = np.arange(*np.searchsorted(done.log.slot, [slot, slot + 1]))
    return _performance(
        done,
        history.ts[rows],
        done.marked.returns[rows],
        done.marked.exposure[rows],
        trades,
        lambda at: at - rows.start,
        np.ones(rows.stop - rows.start),
    )


def _pooled(done: _Backtest) -> Performance:
    history = done.history
    places = np.searchsorted(history.instants, history.ts)
    share = 1.0 / _symbols_at(history, history.instants)
    count = len(history.instants)
    weights = share[places]
    return _performance(
        done,
        history.instants,
        _summed(places, done.marked.returns * weights, count),
        _summed(places, done.marked.exposure * weights, count),
        np.arange(done.log.signals),
        lambda at: places[at],
        share,
    )


def _symbols_at(history: BarHistory, instants: Ints) -> Floats:
    """How many symbols trade at each instant: at least one."""
    has_bars = np.diff(history.starts) > 0
    first = np.sort(history.ts[history.starts[:-1][has_bars]])
    last = np.sort(history.ts[history.starts[1:][has_bars] - 1])
    begun = np.searchsorted(first, instants, side="right")
    ended = np.searchsorted(last, instants, side="left")
    return (begun - ended).astype(np.float64)


def _performance(
    done: _Backtest,
    ts: Ints,
    returns: Floats,
    exposure: Floats,
    trades: Ints,
    places_of: Callable[[Ints], Ints],
    share: Floats,
) -> Performance:
    """What a capital earns that puts `share` of itself, float64 (n,), into each of `trades`.

    `places_of` turns rows of the history into those of the curve, whose instants are `ts`.
    """
    log, figures = done.log, done.figures
    equity = np.cumprod(1.0 + returns).astype(np.float64, copy=False)
    trades = trades[log.entry_row[trades] >= 0]
    before = places_of(log.entry_row[trades] - 1)
    capital = equity[before] * share[before]
    units = capital / log.entry_price[trades]
    is_out = log.is_closed[trades]
    out = trades[is_out]
    bought = _summed(places_of(log.entry_row[trades]), capital, len(ts))
    sold = _summed(places_of(log.exit_row[out]), units[is_out] * log.exit_price[out], len(ts))
    is_sound = figures.is_sound[trades]
    sound = trades[is_sound]
    closed = ClosedTrades(
        exit_ts=done.history.ts[log.exit_row[sound]],
        pnl_net=units[is_sound] * figures.y_pnl_net[sound],
        r_multiple=figures.r_multiple[sound],
    )
    return performance_of(equity_curve(ts, equity, exposure * equity, bought + sold), closed)


def _summed(places: Ints, values: Floats, count: int) -> Floats:
    summed: Floats = np.bincount(places, values, minlength=count).astype(np.float64)
    return summed
