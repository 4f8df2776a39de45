"""Builds the drift monitor's role, over one bus."""

from deploy.role_runtime import RoleContext
from engine.drift_monitor import DriftMonitor
from engine.roles.drift import drift_shell
from engine.shells.shell import Shell


def build(context: RoleContext) -> Shell:
    """Return the role, ready to run."""
    context.require_one_shard()
    return drift_shell(
        context.bus,
        DriftMonitor(context.settings.drift),
        encoding=context.settings.encoding,
        on_ready=context.on_ready,
    )
