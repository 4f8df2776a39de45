"""A run's bars into its feature database, over columns: what the stream would have collected."""

import numpy as np

from deploy.backtesting import collect
from deploy.config import RunSettings
from deploy.first_models import first_models
from deploy.market_data import data_set_of_table, read_market
from deploy.state import StateDir
from engine.backtests.bar_history import BarHistory
from engine.backtests.context_rows import context_rows
from engine.settings import EXTERNAL, StrategySettings
from engine.symbol_costs import SymbolCosts
from models.feature_set import load_feature_set
from models.onnx_session import Model
from models.vector import vector_names
from streams.session import session
from streams.source import comes_with_signals, read_bars
from trainers.backtest_samples import register_run
from trainers.database.feature_database import FeatureDatabase
from trainers.database.provenance import Provenance
from trainers.extraction.extraction import Market, extract_trades
from trainers.extraction.labelled_samples import labelled_samples
from trainers.research.histories import history_of
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
    table = read_bars(source)
    history, features = history_of(table), load_feature_set()
    names = {one.name: vector_names(features.names, one.features) for one in settings.strategies}
    models = first_models(names, settings, state)
    contexts = context_rows(history, session(settings.data.session), settings.context)
    with FeatureDatabase(state.database(settings.ml_data_collection.db_path)) as database:
        data = data_set_of_table(table, source)
        provenance = register_run(database, settings.strategies, features.names, data)
        return sum(
            database.add(_samples(one, history, contexts, models.get(one.name), provenance))
            for one in settings.strategies
            # An engine's signals are not in the bars; other bars make none.
            if one.rule_name != EXTERNAL and one.interval == history.interval
        )


def _samples(
    settings: StrategySettings,
    history: BarHistory,
    contexts: np.ndarray,
    model: Model | None,
    provenance: Provenance,
) -> list[Sample]:
    costs = tuple(SymbolCosts(settings).each(history.symbols))
    market = Market(history, contexts, costs, np.ones(len(history)))
    return labelled_samples(extract_trades(settings, market, load_feature_set()), provenance, model)
