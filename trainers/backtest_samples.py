"""Samples from history: the stream's own cores, run offline into the feature database."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from engine.settings import StrategySettings
from engine.simulation import simulate
from models.feature_set import FeatureSet
from models.vector import vector_names
from streams.events import Bar, Signal
from streams.session import Session
from trainers.collector import Collector
from trainers.feature_database import FeatureDatabase


def register_vectors(
    database: FeatureDatabase, strategies: Iterable[StrategySettings], features: FeatureSet
) -> None:
    """Remember the names of the vectors that are served for `strategies`."""
    for settings in strategies:
        database.register_names(vector_names(features.names, settings.features))


def collect_samples(
    path: Path,
    instants: Iterable[Sequence[Bar | Signal]],
    strategies: tuple[StrategySettings, ...],
    features: FeatureSet,
    session: Session,
    *,
    params_digest: str = "",
    data_digest: str = "",
) -> int:
    """Run `instants` through strategist, scorer and labeller; return how many samples are new.

    Running the same history again adds nothing.
    """
    with FeatureDatabase(path) as database:
        register_vectors(database, strategies, features)
        collector = Collector(database, params_digest=params_digest, data_digest=data_digest)
        before = sum(database.count(settings.name) for settings in strategies)
        for event in simulate(instants, strategies, features, session):
            collector.take(event)
        collector.flush()
        return sum(database.count(settings.name) for settings in strategies) - before
