"""What a configuration is worth: its trades as one portfolio, and the figures of its spans.

A portfolio runs once over train and validation; their figures are cut from that one curve, whose
rows are the last closes of the days. Nothing on the train days depends on a later bar.

Every signal asks for a position: the `ml` block is left aside, for a model that was trained on
these bars would tell the search what it is to find.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.backtests.backtest import run_strategy
from engine.backtests.bar_history import BarHistory
from engine.backtests.portfolio import Claims, PortfolioResult, simulate_portfolio
from engine.backtests.portfolio_kernels import TAKEN
from engine.backtests.portfolio_settings import PortfolioSettings
from engine.backtests.trade_log import TradeLog, figures_of
from engine.costs import CostSettings
from engine.instrument import Instrument
from engine.settings import StrategySettings
from trainers.optimiser.search_space import SearchSpace, params_key, search_space
from trainers.optimiser.study_spans import Span, StudySpans, days_of
from trainers.statistics.closed_trades import ClosedTrades
from trainers.statistics.equity_curve import EquityCurve
from trainers.statistics.objective import WORST, objective
from trainers.statistics.performance import Performance, performance_of

LOGS_KEPT = 8
"""Trials that differ in the portfolio alone share the trades of their strategy."""

NEUTRAL = {"profit_factor": 1.0}
"""What a fold without a figure is worth, where it is not 0: that of doing nothing."""

Floats = NDArray[np.float64]


class StudyTask(msgspec.Struct, frozen=True):
    """All that a trial depends on beside the bars; `instruments` and `costs` by symbol."""

    strategy: StrategySettings
    portfolio: PortfolioSettings
    instruments: tuple[Instrument, ...]
    costs: tuple[CostSettings, ...]
    spans: StudySpans
    ranges: dict[str, Any]
    objective: str
    trades_min: int
    seed: int

    def space(self) -> SearchSpace:
        """Return what is searched."""
        return search_space(self.strategy.rule_name, self.ranges, "optimize.ranges")

    def own_params(self) -> dict[str, Any]:
        """Return every parameter as the run file has it, the strategy's and the portfolio's."""
        from engine.strategy import load_strategy

        strategy = load_strategy(self.strategy.rule_name)
        path = f"strategies.{self.strategy.name}.params"
        own = msgspec.structs.asdict(strategy.decode_params(self.strategy.params, path))
        return own | msgspec.structs.asdict(self.portfolio)


class PortfolioRun(NamedTuple):
    """`curve` by day, its first row before any trade; `trades`, closed, of the whole span."""

    curve: EquityCurve
    trades: ClosedTrades

    def within(self, span: Span) -> "PortfolioRun | None":
        """Return the part of a span, from the day before it on; None where all was lost then."""
        days = days_of(self.curve.ts)
        first, end = np.searchsorted(days, (span.first_day, span.last_day + 1))
        rows = slice(max(int(first) - 1, 0), int(end))
        if rows.start >= rows.stop or self.curve.values[rows.start] <= 0.0:
            return None
        exits = (self.trades.exit_ts >= span.from_ts) & (self.trades.exit_ts <= span.to_ts)
        whole, trades = self.curve, self.trades
        curve = EquityCurve(
            whole.ts[rows], whole.values[rows], whole.gross_exposure[rows], whole.traded[rows]
        )
        inside = ClosedTrades(
            trades.exit_ts[exits], trades.pnl_net[exits], trades.r_multiple[exits]
        )
        return PortfolioRun(curve, inside)


class Evaluated(NamedTuple):
    """What is known of a trial: the sampler's `value`, on the train days; the objective on each
    fold, and their mean `validation`; trades closed on the train days; daily returns.
    """

    value: float
    folds: tuple[float, ...]
    validation: float
    trades: int
    returns: Floats


class Evaluator:
    """Evaluates parameters on a history, which must not hold a bar of the holdout."""

    def __init__(self, task: StudyTask, history: BarHistory) -> None:
        self._task = task
        self._history = history
        self._space = task.space()
        self._logs: OrderedDict[str, TradeLog] = OrderedDict()

    def run(self, params: Mapping[str, Any], span: Span | None = None) -> PortfolioRun:
        """Return the portfolio of `params` over all of the history, or over a span of it.

        Raises ConfigError for parameters that the strategy refuses.
        """
        own, shared = self._space.split(params)
        log = self._log(own)
        claims = Claims(log, log.score, np.ones(log.signals, dtype=np.bool_), self._task.costs)
        settings = msgspec.structs.replace(self._task.portfolio, **shared)
        bounds = {} if span is None else {"from_ts": span.from_ts, "to_ts": span.to_ts}
        result = simulate_portfolio(
            [claims], self._history, self._task.instruments, settings, **bounds
        )
        return PortfolioRun(_daily(result), self._trades(log, result))

    def evaluate(self, params: Mapping[str, Any]) -> Evaluated:
        """Return what a trial with `params` is worth. Errors as `run`."""
        task, run = self._task, self.run(params)
        train = run.within(task.spans.train)
        assert train is not None, "nothing is lost before the first day"
        figures = performance_of(train.curve, train.trades)
        folds = tuple(self._fold_value(run, fold) for fold in task.spans.folds)
        return Evaluated(
            value=objective(figures, task.objective, trades_min=task.trades_min),
            folds=folds,
            validation=float(np.mean(folds)),
            trades=figures.trades,
            returns=run.curve.returns,
        )

    def performance(self, params: Mapping[str, Any], span: Span) -> Performance | None:
        """Return the figures of `params` on the days of a span, a part of the one long run."""
        part = self.run(params).within(span)
        return None if part is None else performance_of(part.curve, part.trades)

    def holdout(self, params: Mapping[str, Any]) -> Performance | None:
        """Return the figures of a portfolio that begins with new capital on the holdout.

        The strategy has seen the bars before it, as it would have live.
        """
        run = self.run(params, self._task.spans.holdout)
        return performance_of(run.curve, run.trades)

    def _fold_value(self, run: PortfolioRun, fold: Span) -> float:
        part = run.within(fold)
        if part is None:
            return WORST
        figures = performance_of(part.curve, part.trades)
        if not figures.trades and figures.exposure == 0.0:
            return NEUTRAL.get(self._task.objective, 0.0)
        return objective(figures, self._task.objective, trades_min=0)

    def _log(self, params: dict[str, Any]) -> TradeLog:
        key = params_key(params)
        if key in self._logs:
            self._logs.move_to_end(key)
            return self._logs[key]
        given = {**self._task.strategy.params, **params}
        log = run_strategy(
            msgspec.structs.replace(self._task.strategy, params=given), self._history
        )
        self._logs[key] = log
        if len(self._logs) > LOGS_KEPT:
            self._logs.popitem(last=False)
        return log

    def _trades(self, log: TradeLog, result: PortfolioResult) -> ClosedTrades:
        positions = result.by_strategy[0]
        last_ts = int(result.ts[-1]) if len(result.ts) else 0
        is_closed = (positions.fate == TAKEN) & log.is_closed
        is_closed[is_closed] = self._history.ts[log.exit_row[is_closed]] <= last_ts
        figures = figures_of(log, self._task.costs)
        rows = np.flatnonzero(is_closed & figures.is_sound)
        return ClosedTrades(
            exit_ts=self._history.ts[log.exit_row[rows]],
            pnl_net=positions.pnl_net[rows],
            r_multiple=figures.r_multiple[rows],
        )


def _daily(result: PortfolioResult) -> EquityCurve:
    """The last close of every day, with what was traded in all of it."""
    days = days_of(result.ts)
    rows = np.flatnonzero(np.diff(days, append=days[-1] + 1))
    traded = np.add.reduceat(result.traded, np.concatenate(([0], rows[:-1] + 1)))
    return EquityCurve(result.ts[rows], result.equity[rows], result.gross_exposure[rows], traded)
