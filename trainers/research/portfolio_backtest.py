"""A backtest of strategies on shared capital: their trades, the account, and what it is worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from engine.backtests.backtest import run_strategy
from engine.backtests.bar_history import BarHistory
from engine.backtests.history_scorer import HistoryScorer, Scores
from engine.backtests.portfolio import Claims, PortfolioResult, Positions, simulate_portfolio
from engine.backtests.portfolio_kernels import TAKEN
from engine.backtests.portfolio_settings import PortfolioSettings
from engine.backtests.trade_log import TradeFigures, TradeLog, figures_of
from engine.costs import CostSettings
from engine.instrument import Instrument
from engine.instrument_book import InstrumentBook
from engine.settings import EXTERNAL, StrategySettings
from engine.symbol_costs import SymbolCosts
from models.feature_set import FeatureSet
from models.onnx_session import Model
from streams.errors import ConfigError
from trainers.statistics.closed_trades import ClosedTrades
from trainers.statistics.equity_curve import EquityCurve
from trainers.statistics.performance import Performance, performance_of
from trainers.statistics.sharpe import DeflatedSharpe

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class StrategyRun:
    """One strategy of a backtest; every column has one value per signal of `log`.

    `figures` per unit in quote currency, `positions` what the portfolio made of the signals.
    """

    settings: StrategySettings
    log: TradeLog
    scores: Scores
    figures: TradeFigures
    positions: Positions

    @property
    def is_traded(self) -> Bools:
        """Which signals got a position whose trade is closed, bool (k,)."""
        traded: Bools = (self.positions.fate == TAKEN) & self.log.is_closed
        return traded


@dataclass(frozen=True)
class PortfolioBacktest:
    """The strategies' runs and the account that they shared. `instruments`: one per symbol.

    `deflated`: what its Sharpe ratio is worth after all trials (`backtest_trial.py`).
    """

    history: BarHistory
    instruments: tuple[Instrument, ...]
    settings: PortfolioSettings
    runs: tuple[StrategyRun, ...]
    account: PortfolioResult
    deflated: DeflatedSharpe | None = None

    @cached_property
    def curve(self) -> EquityCurve:
        """The account's equity by instant."""
        account = self.account
        return EquityCurve(account.ts, account.equity, account.gross_exposure, account.traded)

    @cached_property
    def performance(self) -> Performance:
        """The figures of the account and of all its closed trades."""
        return performance_of(self.curve, closed_trades(self.history, self.runs))

    def performance_of(self, run: StrategyRun) -> Performance:
        """Return the figures of the account with the trades of one strategy only."""
        return performance_of(self.curve, closed_trades(self.history, (run,)))


def run_backtest(
    strategies: Sequence[StrategySettings],
    history: BarHistory,
    instruments: InstrumentBook,
    settings: PortfolioSettings,
    features: FeatureSet,
    contexts: Floats,
    models: Mapping[str, Model] | None = None,
    *,
    from_ts: int = 0,
    threads: int = 1,
) -> PortfolioBacktest:
    """Return the backtest of `strategies` on `history`, whose portfolio trades from `from_ts` on.

    `contexts` float64 (n, CONTEXT_SIZE), `models` by strategy: those that score from the first
    signal on. Raises ConfigError for a strategy that is external, for one that there is not, for
    parameters out of range, and where the history has no bars from `from_ts` on.
    """
    if not len(history) or history.instants[-1] < from_ts:
        raise ConfigError("a backtest needs bars to trade on, there are none: widen start and end")
    found = tuple(instruments.of(symbol) for symbol in history.symbols)
    parts: list[tuple[StrategySettings, TradeLog, Scores, list[CostSettings]]] = []
    for one in strategies:
        if one.rule_name == EXTERNAL:
            raise ConfigError(
                f"strategy {one.name} is external: its signals come from an engine, over the "
                "stream; leave it out of a backtest"
            )
        log = run_strategy(one, history, threads=threads)
        scorer = HistoryScorer(one, history, features, contexts)
        if models and one.name in models:
            scorer.start_with(models[one.name])
        parts.append((one, log, scorer.score(log), SymbolCosts(one).each(history.symbols)))
    claims = [Claims(log, s.final_score, s.accepted, costs) for _, log, s, costs in parts]
    account = simulate_portfolio(claims, history, found, settings, from_ts=from_ts)
    runs = tuple(
        StrategyRun(one, log, scores, figures_of(log, costs), positions)
        for (one, log, scores, costs), positions in zip(parts, account.by_strategy, strict=True)
    )
    return PortfolioBacktest(history, found, settings, runs, account)


def closed_trades(history: BarHistory, runs: Sequence[StrategyRun]) -> ClosedTrades:
    """Return the closed trades that the portfolio made, of all `runs`."""
    taken = [(run, np.flatnonzero(run.is_traded & run.figures.is_sound)) for run in runs]
    exit_ts = [history.ts[run.log.exit_row[rows]] for run, rows in taken]
    pnl = [run.positions.pnl_net[rows] for run, rows in taken]
    r_multiple = [run.figures.r_multiple[rows] for run, rows in taken]
    return ClosedTrades(
        np.concatenate([np.empty(0, dtype=np.int64), *exit_ts]),
        np.concatenate([np.empty(0), *pnl]),
        np.concatenate([np.empty(0), *r_multiple]),
    )
