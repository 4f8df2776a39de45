"""`assay drift calibrate`: what a run's models say, where that is known from, and what follows."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import yaml

from deploy.config import RunSettings
from deploy.research.evaluating import model_path_of
from deploy.state import StateDir
from deploy.trust import trusted_keys
from engine.settings import DriftSettings, StrategySettings
from models.artifact import load_artifact
from models.feature_set import feature_names
from models.onnx_session import load_model
from models.vector import vector_names
from streams.errors import ConfigError, ModelRefused
from streams.interval import DAY_NS
from streams.strict import nearest
from trainers.challenger import fit_challenger
from trainers.database.feature_database import FeatureDatabase
from trainers.database.location import is_url
from trainers.database.provenance import params_digest_of
from trainers.database.sample_choice import SampleChoice
from trainers.dataset import Dataset
from trainers.false_alarms.budget_study import (
    BudgetStudy,
    Progress,
    StudySettings,
    nothing_to_find,
    study_budget,
)
from trainers.false_alarms.drift_law import DRIFTS
from trainers.false_alarms.outcome_profile import (
    OutcomeProfile,
    Spoken,
    profile_of,
    profile_of_auc,
)
from trainers.retraining.champion import ServedChampion

OUTCOMES_MIN = 200
"""Fewer outcomes that a model spoke on say too little of where its probabilities lie."""

READ_ROWS = 10_000
_COLUMNS = ("signal_id", "ts", "exit_ts", "y_binary", "probability", "model")

Origin = Literal["stored", "file", "out_of_fold", "told"]


class Told(msgspec.Struct, frozen=True):
    """A model that there is not yet, or is not to be looked at: a calibrated one of that AUC."""

    auc: float
    base_rate: float | None = None
    per_month: float | None = None


class Asked(msgspec.Struct, frozen=True):
    """What is asked on the command line, beside the run."""

    strategy: str | None
    streams: int
    horizon: int
    seed: int
    model: Path | None = None
    told: Told | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one strategy's model; `why_not` says why nothing can be simulated of it.

    `origin`: the probabilities were stored with the outcomes; a model's file said them of samples
    that it was not trained on; a learner out of fold, where no model has spoken yet; or they were
    told. `model` names the one that spoke. `has_timeline`: when outcomes come is known of samples.
    """

    strategy: str
    origin: Origin | None = None
    model: str = ""
    profile: OutcomeProfile | None = None
    why_not: str = ""
    has_timeline: bool = True


@dataclass(frozen=True, slots=True)
class Calibrated:
    """`study` is None where nothing is known of any strategy."""

    drift: DriftSettings
    strategies: int
    known: tuple[Known, ...]
    study: BudgetStudy | None

    @property
    def is_promise(self) -> bool:
        """Whether some drift of some strategy's model is found in half of all cases."""
        if self.study is None or not self.study.is_whole:
            return False
        delays = [one for promise in self.study.promises.values() for one in promise.delays]
        return any(
            one.law in DRIFTS and one.median is not None and one.is_beyond_chance for one in delays
        )


def calibrate_drift(
    settings: RunSettings,
    state: StateDir,
    asked: Asked,
    on_progress: Callable[[Progress], None],
) -> Calibrated:
    """Choose the thresholds of a run's detectors and find what they promise.

    Raises ConfigError for a strategy that the run does not have, a model that is refused, or
    where there is no detector.
    """
    if not settings.drift.detectors:
        raise ConfigError("drift.detectors is empty: name one of those of assay drift list")
    # As many as the drift role watches.
    watched = max(1, sum(one.ml.enabled for one in settings.strategies))
    chosen = _chosen(settings, asked.strategy)
    known = tuple(_known(one, settings, state, asked) for one in chosen)
    if all(one.origin == "told" and not one.has_timeline for one in known):
        # Nothing tells them apart.
        known = known[:1]
    profiles = {one.strategy: one.profile for one in known if one.profile and not one.why_not}
    if not profiles:
        return Calibrated(settings.drift, watched, known, None)
    wanted = StudySettings(
        drift=settings.drift,
        strategies=watched,
        streams=asked.streams,
        horizon=asked.horizon,
        seed=asked.seed,
    )
    study = study_budget(profiles, wanted, on_progress)
    return Calibrated(settings.drift, watched, known, study)


def config_tree(found: Calibrated) -> dict[str, Any]:
    """Return the keys of a run file that hold what was chosen."""
    choices = found.study.choices if found.study is not None else ()
    thresholds = {one.detector: one.threshold for one in choices}
    # The thresholds are those of these detectors together, and of no others.
    detectors = list(found.drift.detectors)
    tree = {"detectors": detectors, "budget": found.drift.budget, "thresholds": thresholds}
    return {"drift": tree}


def write_config(found: Calibrated, path: Path, sentences: list[str]) -> None:
    """Write those keys as YAML, under what they promise. Raises ConfigError."""
    head = "".join(f"# {line}\n" for line in sentences)
    text = head + yaml.safe_dump(config_tree(found), sort_keys=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"--output must be a file that can be written, was {path}: {error.strerror}"
        ) from None


def _chosen(settings: RunSettings, strategy: str | None) -> tuple[StrategySettings, ...]:
    names = [one.name for one in settings.strategies]
    if strategy is None:
        return settings.strategies
    if strategy not in names:
        raise ConfigError(f"strategy {strategy!r} is not in the run{nearest(strategy, names)}")
    return (settings.strategies[names.index(strategy)],)


def _known(
    strategy: StrategySettings, settings: RunSettings, state: StateDir, asked: Asked
) -> Known:
    location = state.database(settings.ml_data_collection.db_path)
    maturity_ns = int(settings.drift.maturity_days * DAY_NS)
    if not is_url(location) and not Path(location).is_file():
        known = Known(strategy.name, why_not="there is no feature database yet")
        return _of_told(known, asked.told, None) if asked.told else known
    with FeatureDatabase(location) as database:
        if asked.told is not None:
            samples = _samples(database, strategy, settings)
            timeline = _timeline(samples, maturity_ns)
            return _of_told(Known(strategy.name), asked.told, timeline)
        found: _Found | str | None = None
        if asked.model is None:
            found = _stored(database, strategy, settings)
        if found is None:
            found = _of_file(database, strategy, settings, state, asked.model)
        if found is None:
            found = _out_of_fold(database, strategy, settings)
    if isinstance(found, str):
        return Known(strategy.name, why_not=found)
    origin, model, spoken = found
    return _looked_at(Known(strategy.name, origin, model), spoken, maturity_ns)


def _looked_at(known: Known, spoken: Spoken, maturity_ns: int) -> Known:
    """Judge whether anything can be learned from what was said."""
    wins = int(spoken.y.sum())
    if not 0 < wins < spoken.y.size:
        return replace(
            known, why_not=f"all {spoken.y.size} outcomes are {'wins' if wins else 'losses'}"
        )
    profile = profile_of(spoken, maturity_ns)
    return replace(known, profile=profile, why_not=nothing_to_find(profile))


def _of_told(known: Known, told: Told, timeline: OutcomeProfile | None) -> Known:
    base_rate = told.base_rate
    if base_rate is None:
        base_rate = timeline.base_rate if timeline is not None else 0.5
    per_month = told.per_month
    if per_month is None:
        per_month = timeline.per_month if timeline is not None else float("nan")
    profile = profile_of_auc(told.auc, base_rate, per_month, timeline)
    why_not = nothing_to_find(profile)
    return Known(known.strategy, "told", "", profile, why_not, timeline is not None)


def _timeline(samples: Dataset, maturity_ns: int) -> OutcomeProfile | None:
    """How outcomes come, whatever a model may say of them."""
    if len(samples) < OUTCOMES_MIN or not 0 < int(samples.y.sum()) < len(samples):
        return None
    constant = np.full(len(samples), float(samples.y.mean()))
    return profile_of(_spoken(samples, constant), maturity_ns)


_Found = tuple[Origin, str, Spoken]


def _stored(
    database: FeatureDatabase, strategy: StrategySettings, settings: RunSettings
) -> _Found | None:
    """What the newest model said when it was asked; None where that is too little."""
    choice = SampleChoice(
        strategy=strategy.name, preferred_digest=params_digest_of(strategy, settings.context)
    )
    rows = [
        row
        for part in database.batches(choice, _COLUMNS, READ_ROWS)
        for row in part
        if row[-1] is not None and row[-2] is not None and 0.0 <= row[-2] <= 1.0
    ]
    if not rows:
        return None
    model = rows[-1][-1]
    ids, ts, exit_ts, y, probability, _ = zip(
        *(row for row in rows if row[-1] == model), strict=True
    )
    if len(ids) < OUTCOMES_MIN:
        return None
    spoken = Spoken(
        signal_ids=np.array(ids, dtype=np.str_),
        ts=np.array(ts, dtype=np.int64),
        exit_ts=np.array(exit_ts, dtype=np.int64),
        probability=np.array(probability, dtype=np.float64),
        y=np.array(y, dtype=np.int8),
    )
    return "stored", model, spoken


def _of_file(
    database: FeatureDatabase,
    strategy: StrategySettings,
    settings: RunSettings,
    state: StateDir,
    given: Path | None,
) -> _Found | str | None:
    """What a model's file says of samples that it was not trained on; None without a file."""
    path = model_path_of(strategy, state, given)
    if path is None:
        return None
    names = vector_names(feature_names(), strategy.features)
    try:
        model = load_model(load_artifact(path), names, trusted_keys(state, settings))
    except ModelRefused as refused:
        raise ConfigError(
            f"model {path} cannot be used: {refused}; train one with assay train"
        ) from None
    champion = ServedChampion(model)
    samples = _samples(database, strategy, settings, symbol=model.card.symbol)
    unseen = samples.take(samples.ts > champion.frozen_ts)
    said = champion.probability(unseen.x)
    spoke = np.isfinite(said)
    if spoke.sum() < OUTCOMES_MIN:
        if given is None:
            return None
        return (
            f"model {champion.version} has {int(spoke.sum())} outcomes that it was not trained "
            f"on, {OUTCOMES_MIN} are needed"
        )
    return "file", champion.version, _spoken(unseen.take(spoke), said[spoke])


def _out_of_fold(
    database: FeatureDatabase, strategy: StrategySettings, settings: RunSettings
) -> _Found | str:
    """What the run's first learner says of each sample that it is not fitted on."""
    samples = _samples(database, strategy, settings)
    if len(samples) < max(OUTCOMES_MIN, settings.train.min_samples):
        needed = max(OUTCOMES_MIN, settings.train.min_samples)
        return f"{len(samples)} samples and no model that has spoken: {needed} are needed"
    learner = settings.train.learners[0]
    challenger = fit_challenger(samples, learner, settings.train)
    if challenger is None:
        return f"{len(samples)} samples, of which {learner} cannot be fitted: one class, no column"
    predicted = np.isfinite(challenger.out_of_fold)
    return (
        "out_of_fold",
        learner,
        _spoken(samples.take(predicted), challenger.out_of_fold[predicted]),
    )


def _samples(
    database: FeatureDatabase,
    strategy: StrategySettings,
    settings: RunSettings,
    *,
    symbol: str | None = None,
) -> Dataset:
    return database.read(
        strategy.name,
        vector_names(feature_names(), strategy.features),
        symbol=symbol,
        preferred_digest=params_digest_of(strategy, settings.context),
    )


def _spoken(samples: Dataset, probability: np.ndarray) -> Spoken:
    return Spoken(samples.signal_ids, samples.ts, samples.exit_ts, probability, samples.y)
