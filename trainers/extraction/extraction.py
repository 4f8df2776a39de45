"""What became of a strategy's signals, with all that was known when each was made.

Indicators, features and score are as of the close of the signal's bar: never of the bar in which
the trade was entered, whose open lies behind that close.
"""

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.backtests.backtest import decisions_of, trades_of
from engine.backtests.bar_history import BarHistory
from engine.backtests.feature_columns import Served
from engine.backtests.history_scorer import HistoryScorer
from engine.backtests.trade_log import TradeFigures, TradeLog, figures_of
from engine.settings import CostSettings, StrategySettings
from engine.strategy import DECISION_SIZE, load_strategy
from models.feature_set import FeatureSet
from trainers.uniqueness import average_uniqueness

OPEN_ENDED = 2**63 - 1

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Market(NamedTuple):
    """The bars of an extraction and what is known of them.

    `contexts` float64 (n, CONTEXT_SIZE). `costs`: one entry per symbol. `dollars` float64 (n,):
    what a move of 1.0 in price makes per unit as of each bar, in the account's currency.
    """

    history: BarHistory
    contexts: Floats
    costs: tuple[CostSettings, ...]
    dollars: Floats

    def of_symbol(self, symbol: str) -> "Market":
        """Return one symbol's bars; what they know of others stays. Errors as `rows_of`."""
        rows = self.history.rows_of(symbol)
        slot = self.history.symbols.index(symbol)
        return Market(
            history=self.history.of_symbols((symbol,)),
            contexts=np.ascontiguousarray(self.contexts[rows]),
            costs=(self.costs[slot],),
            dollars=self.dollars[rows],
        )


@dataclass(frozen=True)
class Extraction:
    """The k closed trades of a strategy with a label, by symbol, then signal bar.

    `log` and `figures` hold them alone. `vectors` float32 (k, len(vector_names)): what the stream
    serves. `indicators` float64 (k, len(indicator_names)): the strategy's own. `uniqueness`
    float64 (k,) in (0, 1]. `signals`: how many the strategy made; `still_open`: how many of them
    have no end yet; the rest beyond k has no sound risk or figures.
    """

    settings: StrategySettings
    market: Market
    log: TradeLog
    figures: TradeFigures
    vector_names: tuple[str, ...]
    vectors: Served
    indicator_names: tuple[str, ...]
    indicators: Floats
    uniqueness: Floats
    signals: int
    still_open: int

    def __len__(self) -> int:
        return self.log.signals

    @property
    def dollars(self) -> Floats:
        """What a move of 1.0 made per unit when each trade was closed, float64 (k,)."""
        return self.market.dollars[self.log.exit_row]


def extract_trades(settings: StrategySettings, market: Market, features: FeatureSet) -> Extraction:
    """Run a strategy over a market. Errors as `engine.backtests.backtest.decisions_of`."""
    history = market.history
    decisions, indicators = _decided(settings, history)
    log = trades_of(settings, history, decisions)
    figures = figures_of(log, list(market.costs))
    kept = np.flatnonzero(figures.is_sound)
    labelled = log.take(kept)
    scorer = HistoryScorer(settings, history, features, market.contexts)
    return Extraction(
        settings=settings,
        market=market,
        log=labelled,
        figures=TradeFigures._make(column[kept] for column in figures),
        vector_names=scorer.vector_names,
        vectors=scorer.vectors(labelled),
        indicator_names=load_strategy(settings.rule_name).indicator_names,
        indicators=indicators[labelled.signal_row],
        uniqueness=_uniqueness(history, log)[kept],
        signals=log.signals,
        still_open=int(np.count_nonzero(_has_label(log) & ~log.is_closed)),
    )


def _decided(settings: StrategySettings, history: BarHistory) -> tuple[Floats, Floats]:
    """Return the strategy's decisions and indicators at every close, in one pass."""
    strategy = load_strategy(settings.rule_name)
    names = strategy.indicator_names
    if not names or history.interval != settings.interval:
        return decisions_of(settings, history), np.empty((len(history), 0))
    params = strategy.decode_params(dict(settings.params), f"strategies.{settings.name}.params")
    decisions = np.empty((len(history), DECISION_SIZE))
    indicators = np.empty((len(history), len(names)))
    strategy.indicators_many(
        strategy.new_states(len(history.symbols)),
        history.slots,
        history.ts,
        history.values,
        strategy.vector(params),
        decisions,
        indicators,
    )
    return decisions, indicators


def _has_label(log: TradeLog) -> NDArray[np.bool_]:
    """Which signals the labeller takes on: those with a stop, or an ATR to set one by."""
    has_label: NDArray[np.bool_] = (log.has_stop != 0) | (log.atr > 0.0)
    return has_label


def _uniqueness(history: BarHistory, log: TradeLog) -> Floats:
    """Return each trade's average uniqueness among all of its symbol.

    Those that are still open count too: what comes later changes no trade that is closed by now.
    """
    found = np.ones(log.signals)
    start_ts = history.ts[log.signal_row]
    end_ts = np.where(log.is_closed, history.ts[log.exit_row], OPEN_ENDED)
    has_label = _has_label(log)
    bounds = np.searchsorted(log.slot, np.arange(len(history.symbols) + 1))
    for first, end in itertools.pairwise(bounds):
        rows = first + np.flatnonzero(has_label[first:end])
        if len(rows):
            found[rows] = average_uniqueness(start_ts[rows], end_ts[rows])
    return found
