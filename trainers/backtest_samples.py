"""Samples from history: the stream's own cores, run offline into the feature database."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from engine.context_settings import NO_CONTEXT, ContextSettings
from engine.settings import StrategySettings
from engine.simulation import simulate
from models.feature_set import FeatureSet
from models.vector import vector_names
from streams.events import Bar, Signal
from streams.session import Session
from trainers.collector import Collector
from trainers.database.feature_database import FeatureDatabase
from trainers.database.provenance import DataSet, Provenance, code_version


def register_run(
    database: FeatureDatabase,
    strategies: Iterable[StrategySettings],
    feature_names: Sequence[str],
    data: DataSet | None = None,
    *,
    context: ContextSettings = NO_CONTEXT,
) -> Provenance:
    """Describe what a run's samples hold and come from; return it for the collector.

    `feature_names` are the market features that are served, `context` what these know of other
    symbols. Without `data` the bars come off the stream.
    """
    params = {}
    for settings in strategies:
        database.register_names(vector_names(feature_names, settings.features))
        params[settings.name] = database.register_params(settings, context)
    data_digest = "" if data is None else database.register_data(data)
    return Provenance(params, data_digest, code_version())


def collect_samples(
    location: str | Path,
    instants: Iterable[Sequence[Bar | Signal]],
    strategies: tuple[StrategySettings, ...],
    features: FeatureSet,
    session: Session,
    *,
    data: DataSet | None = None,
) -> int:
    """Run `instants` through strategist, scorer and labeller; return how many samples are new.

    Running the same history again adds nothing, a longer one what it adds.
    """
    with FeatureDatabase(location) as database:
        provenance = register_run(database, strategies, features.names, data)
        collector = Collector(database, provenance)
        for event in simulate(instants, strategies, features, session):
            collector.take(event)
        collector.flush()
        return collector.added
