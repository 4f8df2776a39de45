"""Builds the strategies role: the built-in strategies, over one bus."""

from deploy.role_runtime import RoleContext
from deploy.snapshots import snapshot_file
from engine.roles.strategies import ROLE, StrategiesRole
from engine.shells.shell import Shell
from engine.strategist import Strategist


def build(context: RoleContext) -> Shell:
    """Return the role, ready to run."""
    context.require_one_shard()
    return StrategiesRole(
        context.bus,
        Strategist(context.settings.strategies),
        snapshots=snapshot_file(context, ROLE),
        encoding=context.settings.encoding,
        meter=context.meter,
        on_ready=context.on_ready,
    )
