"""Builds the labeller's role, over one bus."""

from deploy.role_runtime import RoleContext
from deploy.snapshots import snapshot_file
from engine.labeller import Labeller
from engine.roles.labeller import ROLE, LabellerRole
from engine.skew_audit import auditing
from models.feature_set import load_feature_set
from streams.session import session


def build(context: RoleContext) -> LabellerRole:
    """Return the role, ready to run."""
    context.require_one_shard()
    settings = context.settings
    strategies, clock = settings.strategies, session(settings.data.session)
    audit = auditing(strategies, load_feature_set(), clock, settings.context)
    return LabellerRole(
        context.bus,
        Labeller(strategies, waits_for_scorer=True, audit=audit),
        snapshots=snapshot_file(context, ROLE),
        encoding=settings.encoding,
        meter=context.meter,
        on_ready=context.on_ready,
    )
