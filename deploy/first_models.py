"""The models of `ml.model_path`: those that a scorer starts with."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from deploy.config import RunSettings
from deploy.state import StateDir
from deploy.trust import trusted_keys
from engine.scorer import Scorer
from models.artifact import load_artifact
from models.onnx_session import Model, load_model
from streams.errors import ConfigError, ModelRefused


def start_with_first_models(scorer: Scorer, settings: RunSettings, state: StateDir) -> None:
    """Give `scorer` the model of every strategy that names one; each proves itself first.

    Raises ConfigError for one that is refused, or when no signer is trusted.
    """
    names = {one.name: scorer.vector_names(one.name) for one in settings.strategies}
    for strategy, model in first_models(names, settings, state).items():
        scorer.start_with(strategy, model)


def first_models(
    vector_names: Mapping[str, tuple[str, ...]], settings: RunSettings, state: StateDir
) -> dict[str, Model]:
    """Return the model of every strategy that names one. Errors as `start_with_first_models`.

    `vector_names` by strategy: the names of the vector that is served for it.
    """
    found: dict[str, Model] = {}
    for strategy in settings.strategies:
        if strategy.ml.model_path:
            path = Path(strategy.ml.model_path)
            keys = trusted_keys(state, settings)
            found[strategy.name] = _model(strategy.name, vector_names[strategy.name], path, keys)
    return found


def seen_by_first_models(settings: RunSettings, from_ts: int) -> Iterator[str]:
    """Say of each such model that it was trained on outcomes of after `from_ts`, where it was."""
    for strategy in settings.strategies:
        if not strategy.ml.model_path:
            continue
        artifact = load_artifact(Path(strategy.ml.model_path))
        seen_ts = max(artifact.card.labels_to_ts, artifact.card.training_to_ts)
        if seen_ts >= from_ts:
            day = datetime.fromtimestamp(seen_ts / 1e9, UTC)
            yield (
                f"{artifact.version} was trained on outcomes up to {day:%Y-%m-%d}: until then the "
                "figures show what it has seen, not what it foresees"
            )


def _model(strategy: str, names: tuple[str, ...], path: Path, keys: tuple[str, ...]) -> Model:
    try:
        return load_model(load_artifact(path), names, keys)
    except ModelRefused as refused:
        raise ConfigError(
            f"strategies.{strategy}.ml.model_path {path} cannot be used: {refused}; train one "
            "with assay train, or remove the key"
        ) from None
