"""A strategy over all of history at once: the signals and trades that the stream would make.

Two compiled passes: the strategy decides at every close, then its signals are drawn from those
decisions and each one's trade is walked to its exit. The functions are those of the strategist
and the labeller, so signals, prices and reasons are theirs bit for bit.
"""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from engine.backtests.bar_history import BarHistory
from engine.backtests.trade_kernels import (
    FOLLOWS_NOTHING,
    FOLLOWS_STRATEGY,
    LOGGED,
    TRADE,
    load_backtest_kernels,
)
from engine.backtests.trade_log import TradeLog, log_of
from engine.settings import StrategySettings
from engine.strategy import DECISION_SIZE, ENTRY_SIDE, load_strategy
from streams.errors import ConfigError

Floats = NDArray[np.float64]


def decisions_of(settings: StrategySettings, history: BarHistory, *, threads: int = 1) -> Floats:
    """Return what the strategy decides at every close, float64 (n, DECISION_SIZE).

    Symbols are shared among `threads`; what is decided does not depend on them. Raises
    ConfigError for an unknown strategy, a parameter out of range, or other bars than the strategy
    trades.
    """
    if history.interval != settings.interval:
        raise ConfigError(
            f"strategy {settings.name} trades {settings.interval} bars, the history has "
            f"{history.interval}: give both the same interval"
        )
    strategy = load_strategy(settings.rule_name)
    params = strategy.decode_params(dict(settings.params), f"strategies.{settings.name}.params")
    states, vector = strategy.new_states(len(history.symbols)), strategy.vector(params)
    decisions = np.empty((len(history), DECISION_SIZE))

    def decide(rows: slice) -> None:
        columns = (history.slots[rows], history.ts[rows], history.values[rows])
        strategy.update_many(states, *columns, vector, decisions[rows])

    parts = _parts(history, threads)
    if len(parts) == 1:
        decide(parts[0])
    else:
        with ThreadPoolExecutor(len(parts)) as pool:
            list(pool.map(decide, parts))
    return decisions


def _parts(history: BarHistory, threads: int) -> list[slice]:
    """Return the rows in `threads` parts of whole symbols, about as many bars in each."""
    wanted = np.linspace(0, len(history), max(threads, 1) + 1)[1:-1]
    cuts = history.starts[np.searchsorted(history.starts, wanted)].tolist()
    edges = sorted({0, *cuts, len(history)})
    return [slice(*pair) for pair in itertools.pairwise(edges)] or [slice(0, 0)]


def run_strategy(settings: StrategySettings, history: BarHistory, *, threads: int = 1) -> TradeLog:
    """Return every signal of the strategy with its virtual trade. As `decisions_of`."""
    return trades_of(settings, history, decisions_of(settings, history, threads=threads))


def trades_of(settings: StrategySettings, history: BarHistory, decisions: Floats) -> TradeLog:
    """Return the signals and trades that follow from `decisions`, as `decisions_of` gives them."""
    label = settings.label
    strategy = load_strategy(settings.rule_name)
    params = strategy.decode_params(dict(settings.params), f"strategies.{settings.name}.params")
    hold_bars = int(getattr(params, "max_hold_bars"))  # noqa: B009
    is_own_exit = label.rule == "strategy"
    wanted = frozenset(settings.symbols)
    is_traded = [not wanted or symbol in wanted for symbol in history.symbols]
    log = np.empty(int(np.count_nonzero(decisions[:, ENTRY_SIDE])), dtype=LOGGED)
    count = load_backtest_kernels().log_trades(
        history.starts,
        history.ts,
        history.values,
        decisions,
        np.array(is_traded, dtype=np.bool_),
        settings.overlapping,
        hold_bars,
        label.stop_atr_mult,
        FOLLOWS_STRATEGY if is_own_exit else FOLLOWS_NOTHING,
        0.0 if is_own_exit else label.target_r,
        hold_bars if is_own_exit else label.max_hold_bars,
        np.zeros(1, dtype=TRADE),
        log,
    )
    return log_of(log[:count])
