"""The strategies and the scorer on history, without a broker."""

from collections.abc import Callable, Iterable

from deploy.config import RunSettings
from deploy.scenario import Instant
from deploy.state import StateDir
from deploy.tally import Tally
from engine.simulation import simulate
from models.feature_set import load_feature_set
from streams.events import Outcome, Scored, Signal
from streams.session import session
from trainers.backtest_samples import register_vectors
from trainers.collector import Collector
from trainers.feature_database import FeatureDatabase

Said = Signal | Scored | Outcome


def backtest(
    instants: Iterable[Instant], settings: RunSettings, hear: Callable[[Said], None]
) -> None:
    """Run history through strategies, scorer and labeller; `hear` is told all they say."""
    features, clock = load_feature_set(), session(settings.data.session)
    for event in simulate(instants, settings.strategies, features, clock):
        hear(event)


def collect(
    instants: Iterable[Instant],
    settings: RunSettings,
    state: StateDir,
    tally: Tally | None = None,
) -> int:
    """Run history into the feature database; return how many samples are new there.

    `tally`, when given, counts what is said.
    """
    path = state.database(settings.ml_data_collection.db_path)
    with FeatureDatabase(path) as database:
        register_vectors(database, settings.strategies, load_feature_set())
        collector = Collector(database)
        before = sum(database.count(strategy.name) for strategy in settings.strategies)

        def hear(event: Said) -> None:
            collector.take(event)
            if tally is not None:
                tally.take(event)

        backtest(instants, settings, hear)
        collector.flush()
        return sum(database.count(strategy.name) for strategy in settings.strategies) - before
