"""Builds the scorer's role: features, models and modes, over one bus."""

from pathlib import Path

from deploy.role_runtime import RoleContext
from deploy.trust import trusted_keys
from engine.roles.scorer import ScorerRole
from engine.scorer import Scorer
from models.artifact import load_artifact
from models.feature_set import load_feature_set
from models.onnx_session import load_model
from models.registry import Registry
from streams.clock import SystemClock
from streams.errors import ConfigError, ModelRefused
from streams.session import session


def build(context: RoleContext) -> ScorerRole:
    """Return the role, ready to run: features are compiled before it says that it is."""
    settings = context.settings
    core = Scorer(
        settings.strategies,
        load_feature_set(),
        session(settings.data.session),
        context.owns,
    )
    keys = trusted_keys(context.state, settings)
    for strategy in settings.strategies:
        if strategy.ml.model_path:
            _start_with(core, strategy.name, Path(strategy.ml.model_path), keys)
    return ScorerRole(
        context.bus,
        core,
        registry=Registry(context.bus),
        trusted_keys=keys,
        clock=SystemClock(),
        shard=context.shard,
        encoding=settings.encoding,
        on_ready=context.on_ready,
    )


def _start_with(core: Scorer, strategy: str, path: Path, keys: tuple[str, ...]) -> None:
    try:
        model = load_model(load_artifact(path), core.vector_names(strategy), keys)
    except ModelRefused as refused:
        raise ConfigError(
            f"strategies.{strategy}.ml.model_path {path} cannot be used: {refused}; train one "
            "with assay train, or remove the key"
        ) from None
    core.start_with(strategy, model)
