"""`assay train --evaluate`: what the models of a run are worth on samples they have not seen."""

from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from deploy.config import RunSettings
from deploy.state import StateDir
from deploy.trust import trusted_keys
from engine.settings import StrategySettings
from models.artifact import FILE_NAME, load_artifact
from models.feature_set import load_feature_set
from models.onnx_session import Model, load_model
from models.vector import vector_names
from streams.errors import ConfigError, ModelRefused
from trainers.database.feature_database import FeatureDatabase
from trainers.database.provenance import params_digest_of
from trainers.dataset import Dataset
from trainers.evaluation.evaluation import Evaluation, evaluate
from trainers.evaluation.refusals import check_model_path
from trainers.gate import Window, judge
from trainers.retraining.champion import ServedChampion
from trainers.settings import GateSettings

BASE_RATE = "base_rate"
"""What a card's figures call the base rate of what the model learned from."""


class Null(NamedTuple):
    """The model that knows nothing: the `probability` it tells of all, and what that was taken of.

    `origin`: `card`, `seen` (samples of before the end of the training) or `judged`.
    """

    probability: float
    origin: str


class Evaluated(msgspec.Struct, frozen=True):
    """What a model is worth on the samples of the database that it has not been trained on.

    `known_to_ts`, UTC ns: the last label that it learned from was closed then. `seen` samples of
    up to then are left out. `null_origin` as in `Null`. `promoted`, `reason` and `figures` are the
    gate's word.
    """

    strategy: str
    symbol: str | None
    path: str
    version: str
    digest: str
    learner: str
    known_to_ts: int
    seen: int
    null_origin: str
    mode: str
    promoted: bool
    reason: str
    figures: dict[str, float]
    evaluation: Evaluation


def evaluate_models(
    settings: RunSettings, state: StateDir, given: Path | None = None
) -> tuple[list[Evaluated], list[str]]:
    """Return what the models of a run are worth, and the strategies that have none.

    `given`: that one model alone. Raises ConfigError for a model that is named and not there, or
    is refused, and where no strategy has any.
    """
    chosen = list(settings.strategies) if given is None else [_judged_by(given, settings)]
    paths = {one.name: model_path_of(one, state, given) for one in chosen}
    without = [name for name, path in paths.items() if path is None]
    if len(without) == len(chosen):
        raise ConfigError(
            f"strategy {', '.join(without)} has no model: ml.model_path names none and "
            f"{state.models} holds none; train one with assay train --train or --full, or name "
            "one with --model PATH"
        )
    found = [
        evaluate_model(one, path, settings, state, settings.train.gate)
        for one in chosen
        if (path := paths[one.name]) is not None
    ]
    return found, without


def evaluate_model(
    strategy: StrategySettings,
    path: Path,
    settings: RunSettings,
    state: StateDir,
    gate: GateSettings,
) -> Evaluated:
    """Return what the model at `path` is worth for a strategy. Errors as `evaluate_models`."""
    names = vector_names(load_feature_set().names, strategy.features)
    model = _loaded(path, names, trusted_keys(state, settings))
    with FeatureDatabase(state.database(settings.ml_data_collection.db_path)) as database:
        samples = database.read(
            strategy.name,
            names,
            symbol=model.card.symbol,
            preferred_digest=params_digest_of(strategy, settings.context),
        )
    champion = ServedChampion(model)
    is_seen = samples.ts <= champion.frozen_ts
    unseen, null = samples.take(~is_seen), _null(model, samples, is_seen)
    said = champion.probability(unseen.x)
    filters = strategy.ml.prediction_mode == "filter"
    threshold = strategy.ml.confidence_threshold if filters else None
    constant = np.full(len(unseen), null.probability)
    window = Window(unseen.y, unseen.r_multiple, unseen.stretches, threshold)
    verdict = judge(window, np.where(np.isfinite(said), said, constant), constant, None, gate)
    return Evaluated(
        strategy=strategy.name,
        symbol=model.card.symbol,
        path=str(path),
        version=model.version,
        digest=model.digest,
        learner=model.card.learner,
        known_to_ts=champion.frozen_ts,
        seen=int(is_seen.sum()),
        null_origin=null.origin,
        mode=strategy.ml.prediction_mode,
        promoted=verdict.promoted,
        reason=verdict.reason,
        figures={name: f for name, f in verdict.figures.items() if np.isfinite(f)},
        evaluation=evaluate(unseen, said, null_probability=null.probability, threshold=threshold),
    )


def model_path_of(
    strategy: StrategySettings, state: StateDir, given: Path | None = None
) -> Path | None:
    """Return the graph's file: `given`, else of ml.model_path, else the newest that was trained.

    None where nothing names one; raises ConfigError for one that is named and not there.
    """
    named = given if given is not None else strategy.ml.model_path
    if named is not None:
        inside = Path(named) / f"{FILE_NAME}.onnx"
        try:
            return check_model_path(inside if inside.is_file() else named, strategy.name)
        except ModelRefused as refused:
            if given is None:
                raise ConfigError(str(refused)) from None
            raise ConfigError(
                f"--model {given} is no model's file: name the .onnx, beside which its card and "
                "signature lie"
            ) from None
    folder = state.models / strategy.name
    found = [*folder.glob("*.onnx"), *folder.glob("*/*.onnx")]
    return max(found, key=lambda path: (path.stat().st_mtime_ns, str(path)), default=None)


def _judged_by(path: Path, settings: RunSettings) -> StrategySettings:
    """The strategy that the model at `path` was trained for; in a run of one, that one."""
    if len(settings.strategies) == 1:
        return settings.strategies[0]
    names = [one.name for one in settings.strategies]
    try:
        trained_for = load_artifact(path).card.strategy
    except ModelRefused as refused:
        raise ConfigError(f"--model {path} cannot be used: {refused}") from None
    if trained_for not in names:
        raise ConfigError(
            f"--model {path} was trained for {trained_for}, the run has {', '.join(names)}: give "
            "a run with that strategy"
        )
    return settings.strategies[names.index(trained_for)]


def _loaded(path: Path, names: tuple[str, ...], keys: tuple[str, ...]) -> Model:
    try:
        return load_model(load_artifact(path), names, keys)
    except ModelRefused as refused:
        raise ConfigError(
            f"model {path} cannot be used: {refused}; train one with assay train"
        ) from None


def _null(model: Model, samples: Dataset, is_seen: np.ndarray) -> Null:
    told = model.card.validation.get(BASE_RATE)
    if told is not None and 0.0 <= told <= 1.0:
        return Null(told, "card")
    for rows, origin in ((is_seen, "seen"), (~is_seen, "judged")):
        if rows.any():
            return Null(float(samples.y[rows].mean()), origin)
    return Null(0.5, "judged")
