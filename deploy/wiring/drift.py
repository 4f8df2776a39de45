"""Builds the drift monitor's role, over one bus."""

from deploy.config import RunSettings
from deploy.file_lock import FileLock
from deploy.metrics.drift_readings import drift_readings
from deploy.role_runtime import RoleContext
from deploy.snapshots import snapshot_file
from deploy.sole_role import SoleRole
from deploy.state import StateDir
from engine.drift.drift_monitor import DriftMonitor
from engine.drift.score_watch import ScoreWatch
from engine.roles.drift import ROLE, drift_shell
from engine.settings import StrategySettings
from engine.shells.shell import Shell
from engine.shells.snapshot import SnapshotFile
from models.feature_set import feature_names
from models.vector import digest_of, vector_names

LOCK_FILE = "drift.lock"


def build(context: RoleContext) -> SoleRole:
    """Return the role, ready to run.

    One process of a state directory plays it: what two of them had said would stand in the
    snapshot of one that has not said it yet. `assay learn` takes the same lock.
    """
    context.require_one_shard()
    shell = shell_of(context, drift_monitor(context.settings), snapshot_file(context, ROLE))
    return SoleRole(shell, lock_of(context.state))


def lock_of(state: StateDir) -> FileLock:
    """Return the lock of whoever plays this role in a state directory that is made."""
    return FileLock(state.snapshots / LOCK_FILE)


def drift_monitor(settings: RunSettings) -> DriftMonitor:
    """Return the core of a run. Raises ConfigError for an unknown detector."""
    inputs = settings.drift.inputs
    watched = [one for one in settings.strategies if one.ml.enabled]
    scores = ScoreWatch(inputs, _served_names(settings.strategies)) if inputs.enabled else None
    others = [one.name for one in settings.strategies if not one.ml.enabled]
    return DriftMonitor(settings.drift, len(watched), scores, without_models=others)


def shell_of(context: RoleContext, core: DriftMonitor, snapshots: SnapshotFile) -> Shell:
    """Return the shell around `core`, which goes on from `snapshots`."""
    return drift_shell(
        context.bus,
        core,
        outlet=context.outlet,
        meter=context.meter,
        core_readings=lambda: drift_readings(core),
        snapshots=snapshots,
        encoding=context.settings.encoding,
        on_ready=context.on_ready,
    )


def _served_names(strategies: tuple[StrategySettings, ...]) -> dict[str, tuple[str, ...]]:
    """Return the names of what each strategy's models are served, by their digest."""
    market = feature_names()
    vectors = {vector_names(market, strategy.features) for strategy in strategies}
    return {digest_of(names): names for names in vectors}
