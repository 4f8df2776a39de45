"""The strategies and the scorer on history, without a broker."""

from collections.abc import Callable, Iterable

from deploy.config import RunSettings
from deploy.first_models import start_with_first_models
from deploy.scenario import Instant
from deploy.state import StateDir
from deploy.tally import Tally
from engine.simulation import Simulation
from models.feature_set import load_feature_set
from streams.events import Outcome, Scored, Signal
from streams.session import session
from trainers.backtest_samples import register_run
from trainers.collector import Collector
from trainers.database.feature_database import FeatureDatabase
from trainers.database.provenance import DataSet

Said = Signal | Scored | Outcome


def backtest(
    instants: Iterable[Instant],
    settings: RunSettings,
    state: StateDir,
    hear: Callable[[Said], None],
) -> None:
    """Run history through strategies, scorer and labeller; `hear` is told all they say.

    The models of `ml.model_path` score from the first signal on.
    """
    features, clock = load_feature_set(), session(settings.data.session)
    simulation = Simulation(settings.strategies, features, clock, context=settings.context)
    start_with_first_models(simulation.scorer, settings, state)
    for instant in instants:
        for event in instant:
            for answer in simulation.step(event):
                if isinstance(answer.event, Said):
                    hear(answer.event)


def collect(
    instants: Iterable[Instant],
    settings: RunSettings,
    state: StateDir,
    tally: Tally | None = None,
    data: DataSet | None = None,
) -> int:
    """Run history into the feature database; return how many samples are new there.

    `tally`, when given, counts what is said; `data` says what the history was.
    """
    location = state.database(settings.ml_data_collection.db_path)
    with FeatureDatabase(location) as database:
        names = load_feature_set().names
        provenance = register_run(
            database, settings.strategies, names, data, context=settings.context
        )
        collector = Collector(database, provenance)

        def hear(event: Said) -> None:
            collector.take(event)
            if tally is not None:
                tally.take(event)

        backtest(instants, settings, state, hear)
        collector.flush()
        return collector.added
