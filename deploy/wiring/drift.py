"""Builds the drift monitor's role, over one bus."""

from deploy.metrics.drift_readings import drift_readings
from deploy.role_runtime import RoleContext
from deploy.snapshots import snapshot_file
from engine.drift_monitor import DriftMonitor
from engine.roles.drift import ROLE, drift_shell
from engine.score_watch import ScoreWatch
from engine.settings import StrategySettings
from engine.shells.shell import Shell
from models.feature_set import load_feature_set
from models.vector import digest_of, vector_names


def build(context: RoleContext) -> Shell:
    """Return the role, ready to run."""
    context.require_one_shard()
    settings = context.settings
    inputs = settings.drift.inputs
    watched = [one for one in settings.strategies if one.ml.enabled]
    scores = ScoreWatch(inputs, _served_names(settings.strategies)) if inputs.enabled else None
    core = DriftMonitor(settings.drift, len(watched), scores)
    return drift_shell(
        context.bus,
        core,
        meter=context.meter,
        core_readings=lambda: drift_readings(core),
        snapshots=snapshot_file(context, ROLE),
        encoding=settings.encoding,
        on_ready=context.on_ready,
    )


def _served_names(strategies: tuple[StrategySettings, ...]) -> dict[str, tuple[str, ...]]:
    """Return the names of what each strategy's models are served, by their digest."""
    market = load_feature_set().names
    vectors = {vector_names(market, strategy.features) for strategy in strategies}
    return {digest_of(names): names for names in vectors}
