"""Builds the drift monitor's role, over one bus."""

from deploy.role_runtime import RoleContext
from deploy.snapshots import snapshot_file
from engine.drift_monitor import DriftMonitor
from engine.roles.drift import ROLE, drift_shell
from engine.shells.shell import Shell


def build(context: RoleContext) -> Shell:
    """Return the role, ready to run."""
    context.require_one_shard()
    settings = context.settings
    watched = [one for one in settings.strategies if one.ml.enabled]
    return drift_shell(
        context.bus,
        DriftMonitor(settings.drift, len(watched)),
        meter=context.meter,
        snapshots=snapshot_file(context, ROLE),
        encoding=settings.encoding,
        on_ready=context.on_ready,
    )
