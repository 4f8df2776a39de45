"""Builds the scorer's role: features, models and modes, over one bus."""

from deploy.first_models import start_with_first_models
from deploy.metrics.scorer_readings import scorer_readings
from deploy.role_runtime import RoleContext
from deploy.snapshots import snapshot_file
from deploy.trust import trusted_keys
from engine.roles.scorer import ROLE, ScorerRole
from engine.scorer import Scorer
from models.feature_set import load_feature_set
from models.registry import Registry
from streams.clock import SystemClock
from streams.session import session


def build(context: RoleContext) -> ScorerRole:
    """Return the role, ready to run: features are compiled before it says that it is."""
    settings = context.settings
    core = Scorer(
        settings.strategies,
        load_feature_set(),
        session(settings.data.session),
        context.owns,
        settings.context,
    )
    start_with_first_models(core, settings, context.state)
    return ScorerRole(
        context.bus,
        core,
        registry=Registry(context.bus),
        trusted_keys=trusted_keys(context.state, settings),
        clock=SystemClock(),
        shard=context.shard,
        shards=context.shards,
        outlet=context.outlet,
        snapshots=snapshot_file(context, ROLE),
        encoding=settings.encoding,
        meter=context.meter,
        core_readings=lambda: scorer_readings(core),
        on_ready=context.on_ready,
    )
