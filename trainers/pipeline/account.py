"""The account of a judged model: everything its page, its summary and the results tell."""

from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from streams.errors import DataError
from trainers.dataset import Dataset
from trainers.evaluation.evaluation import Evaluation, evaluate
from trainers.evaluation.figure import Figure, auc_figure, mean_figure, unknown
from trainers.evaluation.importance import importance_of
from trainers.metrics import log_losses
from trainers.pipeline import model_report as parts
from trainers.pipeline.model_report import ModelReport
from trainers.pipeline.model_training import FrozenModel, JudgedModel
from trainers.pipeline.pipeline_settings import PipelineSettings, settings_told
from trainers.pipeline.report_days import span_of
from trainers.pipeline.research_spans import BY_DATES, K_FOLD
from trainers.pipeline.search_account import overfitting_of, tuning_of
from trainers.pipeline.training_task import Stage, TrainingPlace, TrainingTask
from trainers.pipeline.walk_account import combinatorial_of, walk_forward_of
from trainers.sample_weights import effective_size
from trainers.selection.selection_stability import FOLDS_MIN, Stability, selection_stability
from trainers.served_difference import ServedDifference

LIBRARIES = ("lightgbm", "xgboost-cpu", "catboost", "scikit-learn", "onnxruntime", "numpy")
NO_PATHS = "not asked for: pipeline.cpcv_groups is 0"
NO_WALK = "the forest was searched under combinatorial purged cross-validation, not walking forward"
FOLDED = (
    "the samples were too few to walk forward in: each fold was tested by all of time that does "
    "not touch it, later days among it"
)

Floats = NDArray[np.float64]


def account_of(
    judged: JudgedModel,
    samples: Dataset,
    task: TrainingTask,
    settings: PipelineSettings,
    place: TrainingPlace,
    served_difference: ServedDifference | None = None,
) -> ModelReport:
    """Return the account of a model. `samples` are all that it was made from."""
    frozen = judged.frozen
    walk_forward, combinatorial, missing = _walks(frozen, settings, place)
    place.on_stage(Stage("account", 0, 1))
    report = ModelReport(
        identity=_identity(samples, frozen, task, settings, place),
        spans=_spans(frozen, settings),
        samples=_samples(frozen, task),
        verdict=parts.Verdict(
            promoted=judged.verdict.promoted,
            reason=judged.verdict.reason,
            figures={k: f for k, f in judged.verdict.figures.items() if np.isfinite(f)},
        ),
        candidates=_candidates(frozen),
        tuning=tuning_of(frozen),
        feature_choice=_features(frozen, settings),
        calibration=_calibration(frozen),
        threshold=parts.Threshold(
            value=frozen.threshold.value,
            rule=frozen.threshold.rule,
            break_even=frozen.threshold.break_even,
        ),
        walk_forward=walk_forward,
        combinatorial=combinatorial,
        overfitting=overfitting_of(frozen, task, place),
        out_of_fold=_out_of_fold(frozen),
        holdout=_holdout(judged),
        importance=importance_of(frozen.challenger, frozen.spans.holdout, seed=settings.seed),
        served_difference=served_difference,
        missing=missing,
        settings=settings_told(settings),
    )
    place.on_stage(Stage("account", 1, 1))
    return report


def _walks(
    frozen: FrozenModel, settings: PipelineSettings, place: TrainingPlace
) -> tuple[parts.WalkForwardReport | None, parts.Combinatorial | None, dict[str, str]]:
    """Both ways through time, and why one is missing."""
    missing: dict[str, str] = {}
    walk_forward = None
    if not frozen.searched.is_walk:
        missing["walk_forward"] = NO_WALK
    elif frozen.spans.by == K_FOLD:
        missing["walk_forward"] = FOLDED
    else:
        walk_forward = walk_forward_of(frozen)
    if not settings.cpcv_groups:
        return walk_forward, None, missing | {"combinatorial": NO_PATHS}
    try:
        combinatorial = combinatorial_of(
            frozen, settings, lambda done, total: place.on_stage(Stage("paths", done, total))
        )
    except DataError as error:
        # Too few days for so many groups: the seal is broken by now, and what it showed is told.
        return walk_forward, None, missing | {"combinatorial": str(error)}
    return walk_forward, combinatorial, missing


def _calibration(frozen: FrozenModel) -> parts.CalibrationChoice:
    calibration = frozen.challenger.calibration
    return parts.CalibrationChoice(
        method=calibration.name, rows=calibration.rows, figures=calibration.figures()
    )


def _out_of_fold(frozen: FrozenModel) -> Evaluation:
    rows = np.isfinite(frozen.out_of_fold)
    return evaluate(
        frozen.spans.research.take(rows),
        frozen.out_of_fold[rows],
        null_probability=frozen.challenger.null_probability,
        threshold=frozen.threshold.value,
    )


def _holdout(judged: JudgedModel) -> parts.Holdout:
    frozen = judged.frozen
    return parts.Holdout(
        opened_ts=judged.opened.first_ts,
        opened_before=judged.opened.before,
        opened_for_others=judged.opened.for_others,
        evaluation=evaluate(
            frozen.spans.holdout,
            judged.said,
            null_probability=frozen.challenger.null_probability,
            threshold=frozen.threshold.value,
        ),
    )


def _identity(
    samples: Dataset,
    frozen: FrozenModel,
    task: TrainingTask,
    settings: PipelineSettings,
    place: TrainingPlace,
) -> parts.Identity:
    return parts.Identity(
        strategy=task.strategy,
        symbol=task.symbol,
        interval=task.interval,
        params=task.params,
        data_digest=samples.digest(),
        code_version=place.release,
        seed=settings.seed,
        known_to_ts=int(frozen.spans.research.exit_ts.max()),
        trained_ts=place.now_ns(),
        libraries={name: version(name) for name in LIBRARIES},
        chosen_from_ts=task.chosen_from_ts,
        chosen_to_ts=task.chosen_to_ts,
    )


def _spans(frozen: FrozenModel, settings: PipelineSettings) -> parts.Spans:
    spans = frozen.spans
    folds = len(frozen.searched.plan.folds)
    walk = "rolling" if _is_rolling(settings, spans.by) else "anchored"
    scheme = f"walk-forward by {spans.by}, {walk}, {folds} folds"
    if not frozen.searched.is_walk:
        scheme = f"combinatorial purged cross-validation, {folds} splits"
    elif spans.by == K_FOLD:
        scheme = f"{K_FOLD}, {folds} folds: too few samples to walk forward in"
    return parts.Spans(
        research=span_of(spans.research),
        holdout=span_of(spans.holdout),
        embargo_days=settings.embargo_days,
        scheme=scheme,
        purged=spans.purged,
    )


def _is_rolling(settings: PipelineSettings, by: str) -> bool:
    return settings.dates.train_blocks is not None if by == BY_DATES else settings.train_folds > 0


def _samples(frozen: FrozenModel, task: TrainingTask) -> parts.Samples:
    research = frozen.spans.research
    return parts.Samples(
        count=len(research),
        effective=effective_size(frozen.weights, research.days).rows,
        days=int(np.unique(research.days).size),
        symbols=int(np.unique(research.symbols).size),
        base_rate=float(research.y.mean()),
        mean_r=float(research.r_multiple.mean()),
        features=len(research.names),
        holdout_count=len(frozen.spans.holdout),
        vectors="served" if task.vectors == "served" else "recomputed",
        warnings=frozen.warnings,
    )


def _candidates(frozen: FrozenModel) -> tuple[parts.Candidate, ...]:
    research, null = frozen.spans.research, frozen.challenger.null_probability
    found = []
    for one in frozen.candidates:
        said = frozen.probabilities[one.name]
        rows = np.isfinite(said)
        y, days = research.y[rows], research.days[rows]
        constant = log_losses(y, np.full(y.size, null))
        tuned = frozen.searched.tuned.get(one.name)
        found.append(
            parts.Candidate(
                name=one.name,
                log_loss_gain=mean_figure(constant - log_losses(y, said[rows]), days),
                auc=auc_figure(y, said[rows], days),
                is_chosen=one is frozen.taken,
                members=one.members,
                params=one.param_values,
                trials=len(tuned.trials) if tuned is not None else 0,
            )
        )
    return tuple(found)


def _features(frozen: FrozenModel, settings: PipelineSettings) -> parts.FeatureChoice:
    names = frozen.spans.research.names
    choices = frozen.searched.plan.choices
    columns = tuple(names[column] for column in frozen.challenger.columns)
    if not settings.clusters or len(choices) < FOLDS_MIN:
        return parts.FeatureChoice(clusters=None, columns=columns)
    found = selection_stability(choices, names)
    return parts.FeatureChoice(
        clusters=settings.clusters,
        columns=columns,
        stability=_figure(found.features),
        share_by_feature={name: share for name, share in found.by_feature.items() if share},
    )


def _figure(stability: Stability) -> Figure:
    if stability.value is None:
        return unknown("every fold takes all features: there was nothing to choose")
    return Figure(stability.value, low=stability.low, high=stability.high)
