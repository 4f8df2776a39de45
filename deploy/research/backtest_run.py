"""`assay backtest` without its words: what a run's strategies signal, and the account they share.

Bars alone are run over columns. A source that comes with signals of its own goes through the
stream's cores, event by event. Both say the same of the same bars
(tests/deploy/research/test_backtest.py).
"""

from typing import NamedTuple

import numpy as np

from deploy.config import RunSettings
from deploy.research.account_backtest import account_backtest
from deploy.research.accumulation import accumulate_columns
from deploy.research.backtesting import backtest, collect
from deploy.research.market_data import read_market
from deploy.research.run_market import RunMarket, read_run, strategies_on_bars
from deploy.state import StateDir
from deploy.tally import OUTCOMES_MAX, Judged, Tally
from streams.source import comes_with_signals
from trainers.research.portfolio_backtest import PortfolioBacktest, StrategyRun


class BacktestRun(NamedTuple):
    """`account`: None where no strategy trades the run's bars. `from_ts`: the close of the first
    bar. `added`: how many samples are new in the database, None where none are collected.
    """

    tally: Tally
    account: PortfolioBacktest | None
    from_ts: int
    added: int | None


def backtest_run(settings: RunSettings, state: StateDir) -> BacktestRun:
    """Return the backtest of a run.

    Errors as `deploy.research.run_market.read_run`, `run_backtest` and `collect`.
    """
    if settings.ml_data_collection.enabled:
        state.make()
    if comes_with_signals(settings.data.source_settings()):
        return _over_events(settings, state)
    market = read_run(settings, state)
    account = _account(settings, market)
    return BacktestRun(
        tally_of(settings, market, account),
        account,
        int(market.history.instants[0]),
        accumulate_columns(settings, state, market) if _is_collecting(settings) else None,
    )


def tally_of(settings: RunSettings, market: RunMarket, account: PortfolioBacktest | None) -> Tally:
    """Return what a tally counts where the stream's cores say all of this backtest."""
    tally = Tally(tuple(strategy.name for strategy in settings.strategies))
    tally.bars = len(market.history)
    for run in account.runs if account is not None else ():
        found = tally.strategies[run.settings.name]
        found.signals = run.log.signals
        found.accepted = int(run.scores.accepted.sum())
        found.modes = set(run.scores.mode)
        found.outcomes = _outcomes(run, market)
    return tally


def _outcomes(run: StrategyRun, market: RunMarket) -> list[Judged]:
    """Return what became of the signals, in the order in which the labeller says it."""
    log, ts = run.log, market.history.ts
    sound = np.flatnonzero(run.figures.is_sound)
    order = np.lexsort((log.signal_row[sound], log.slot[sound], ts[log.exit_row[sound]]))
    rows = sound[order][:OUTCOMES_MAX]
    columns = (
        ts[log.signal_row[rows]],
        ts[log.exit_row[rows]],
        run.scores.accepted[rows],
        run.figures.y_binary[rows],
        run.figures.r_multiple[rows],
        run.scores.probability[rows],
    )
    models = [run.scores.model[row] or "" for row in rows.tolist()]
    return list(map(Judged, *(column.tolist() for column in columns), models))


def _over_events(settings: RunSettings, state: StateDir) -> BacktestRun:
    instants, data = read_market(settings.data.source_settings())
    instants = list(instants)
    tally = Tally(tuple(strategy.name for strategy in settings.strategies))
    for instant in instants:
        for event in instant:
            tally.take(event)
    added = None
    if _is_collecting(settings):
        added = collect(instants, settings, state, tally, data)
    else:
        backtest(instants, settings, state, tally.take)
    has_rules = bool(strategies_on_bars(settings))
    account = _account(settings, read_run(settings, state)) if has_rules else None
    return BacktestRun(tally, account, instants[0][0].ts, added)


def _account(settings: RunSettings, market: RunMarket) -> PortfolioBacktest | None:
    return account_backtest(settings, market) if strategies_on_bars(settings) else None


def _is_collecting(settings: RunSettings) -> bool:
    return settings.ml_data_collection.enabled
