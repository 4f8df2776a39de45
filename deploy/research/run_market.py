"""The bars of a run in columns, with what is known beside them: read once, for every use."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deploy.config import RunSettings
from deploy.first_models import first_models
from deploy.research.market_data import data_set_of_table
from deploy.state import StateDir
from engine.backtests.bar_history import BarHistory
from engine.backtests.context_rows import context_rows
from engine.settings import EXTERNAL, StrategySettings
from models.feature_set import load_feature_set
from models.onnx_session import Model
from models.vector import vector_names
from streams.session import session
from streams.source import read_bars
from trainers.database.provenance import DataSet
from trainers.research.histories import history_of


class RunMarket(NamedTuple):
    """A run's bars. `contexts` float64 (n, CONTEXT_SIZE), in the history's order; `models` by
    strategy: those that speak from the first signal on; `data`: what the bars were read from.
    """

    history: BarHistory
    contexts: NDArray[np.float64]
    models: dict[str, Model]
    data: DataSet


def read_run(settings: RunSettings, state: StateDir) -> RunMarket:
    """Return the market of a run.

    Errors as `streams.source.read_bars`; ConfigError for a model that cannot be used.
    """
    source = settings.data.source_settings()
    table, features = read_bars(source), load_feature_set()
    history = history_of(table)
    names = {one.name: vector_names(features.names, one.features) for one in settings.strategies}
    return RunMarket(
        history,
        context_rows(history, session(settings.data.session), settings.context),
        first_models(names, settings, state),
        data_set_of_table(table, source),
    )


def strategies_on_bars(settings: RunSettings) -> tuple[StrategySettings, ...]:
    """Return the strategies that the run's bars make signals of, in configured order.

    An engine's signals are not in the bars, and a strategy of other bars makes none of these.
    """
    return tuple(
        one
        for one in settings.strategies
        if one.rule_name != EXTERNAL and one.interval == settings.data.interval
    )
