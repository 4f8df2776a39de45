"""A run's bars into its feature database, over columns: what the stream would have collected."""

import numpy as np

from deploy.config import RunSettings
from deploy.research.backtesting import collect
from deploy.research.market_data import read_market
from deploy.research.run_market import RunMarket, read_run, strategies_on_bars
from deploy.state import StateDir
from engine.settings import StrategySettings
from engine.symbol_costs import SymbolCosts
from models.feature_set import load_feature_set
from streams.source import comes_with_signals
from trainers.backtest_samples import register_run
from trainers.database.feature_database import FeatureDatabase
from trainers.database.provenance import Provenance
from trainers.extraction.extraction import Market, extract_trades
from trainers.extraction.labelled_samples import labelled_samples
from trainers.sample import Sample


def accumulate(settings: RunSettings, state: StateDir) -> int:
    """Add the samples of a run's bars to its database; return how many are new there.

    A market that comes with signals of its own goes through the stream's cores, bar by bar;
    otherwise strategies run over columns, to the same samples. Errors as `collect`.
    """
    source = settings.data.source_settings()
    if comes_with_signals(source):
        instants, data = read_market(source)
        return collect(instants, settings, state, data=data)
    return accumulate_columns(settings, state, read_run(settings, state))


def accumulate_columns(settings: RunSettings, state: StateDir, run: RunMarket) -> int:
    """Add the samples of a market in columns. As `accumulate`."""
    with FeatureDatabase(state.database(settings.ml_data_collection.db_path)) as database:
        names = load_feature_set().names
        provenance = register_run(
            database, settings.strategies, names, run.data, context=settings.context
        )
        return sum(
            database.add(_samples(one, run, provenance)) for one in strategies_on_bars(settings)
        )


def _samples(settings: StrategySettings, run: RunMarket, provenance: Provenance) -> list[Sample]:
    history = run.history
    costs = tuple(SymbolCosts(settings).each(history.symbols))
    market = Market(history, run.contexts, costs, np.ones(len(history)))
    found = extract_trades(settings, market, load_feature_set())
    return labelled_samples(found, provenance, run.models.get(settings.name))
