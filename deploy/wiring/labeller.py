"""Builds the labeller's role, over one bus."""

from deploy.role_runtime import RoleContext
from engine.labeller import Labeller
from engine.roles.labeller import LabellerRole


def build(context: RoleContext) -> LabellerRole:
    """Return the role, ready to run."""
    context.require_one_shard()
    return LabellerRole(
        context.bus,
        Labeller(context.settings.strategies, waits_for_scorer=True),
        encoding=context.settings.encoding,
        on_ready=context.on_ready,
    )
