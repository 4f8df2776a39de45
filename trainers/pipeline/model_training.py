"""One model, from samples to what may be deployed and an account of what it is worth.

1. what cannot be learned from is refused;
2. the newest samples are sealed, and what touches them is purged;
3. every learner is searched on what is left, columns chosen and all fitted inside each fold;
4. one candidate is taken by what it said out of fold, calibrated, given a threshold, and frozen;
5. only now the seal is broken, which is written down, and the gate judges: beside the null model;
6. whatever the gate says, the account is written; the graph only where it passed.

The model that is deployed is the one that was judged. The same samples and settings give the same
bytes.
"""

import hashlib
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from trainers.calibrators.calibrate import calibrate
from trainers.calibrators.calibrator import Calibration
from trainers.challenger import Challenger
from trainers.columns import complete_rows
from trainers.database.engine import open_database
from trainers.dataset import DAY_NS, Dataset
from trainers.decision_threshold import Threshold, ThresholdSettings, choose_threshold
from trainers.evaluation.refusals import check_count, check_samples, training_warnings
from trainers.gate import Verdict, Window, judge
from trainers.learner import check_learner
from trainers.model_writing import write_model
from trainers.optimiser.holdout import Opened, open_holdout
from trainers.optimiser.study_spans import Span
from trainers.pipeline.candidates import (
    Candidate,
    calibrated,
    candidates_of,
    choose,
    null_probability,
)
from trainers.pipeline.pipeline_settings import PipelineSettings
from trainers.pipeline.report_days import day_of
from trainers.pipeline.research_spans import ResearchSpans, cut_spans
from trainers.pipeline.search import Searched, learners_of, search
from trainers.pipeline.training_task import Stage, TrainingPlace, TrainingTask
from trainers.research.trial_ledger import symbols_digest_of
from trainers.sample_weights import WeightSettings, weights_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FrozenModel:
    """The model that was taken, before anything of the holdout was seen.

    `candidates` are all that there were, with their calibrated out-of-fold probabilities
    `probabilities`, NaN where none was made.
    """

    spans: ResearchSpans
    weights: Floats
    searched: Searched
    candidates: tuple[Candidate, ...]
    probabilities: dict[str, Floats]
    taken: Candidate
    challenger: Challenger
    threshold: Threshold
    warnings: tuple[str, ...]

    @property
    def out_of_fold(self) -> Floats:
        """The calibrated out-of-fold probabilities of the model taken, float64[n]."""
        return self.probabilities[self.taken.name]


@dataclass(frozen=True)
class JudgedModel:
    """A frozen model and what the holdout said of it.

    `said` float64[m]: its probabilities there, NaN where it is silent.
    """

    frozen: FrozenModel
    said: Floats
    opened: Opened
    verdict: Verdict


def freeze_model(
    samples: Dataset, task: TrainingTask, settings: PipelineSettings, place: TrainingPlace
) -> FrozenModel:
    """Search, choose, calibrate and fit on everything but the holdout.

    Raises DataError for samples that cannot be learned from, ConfigError for an unknown learner.
    """
    for learner in learners_of(settings):
        check_learner(learner)
    check_count(samples, min_samples=settings.min_samples)
    spans = cut_spans(samples, settings)
    check_samples(spans.research, min_samples=settings.min_samples)
    research = spans.research
    weights = weights_of(research, weight_settings(settings))
    searched = search(research, weights, spans.splits, task, settings, place)
    candidates = candidates_of(
        searched.tuned, research.y, weights, together=settings.ensemble and len(searched.tuned) > 1
    )
    calibrations = {
        one.name: calibration_of(one, research, weights, settings) for one in candidates
    }
    probabilities = {
        one.name: calibrated(one.margins, calibrations[one.name]) for one in candidates
    }
    taken = choose(candidates, probabilities, research.y, research.days)
    place.on_stage(Stage("fit", 0, 1))
    columns = searched.choose(research, weights)
    challenger = fit_taken(taken, research, columns, weights, settings, calibrations[taken.name])
    out_of_fold = probabilities[taken.name]
    rows = np.isfinite(out_of_fold)
    threshold = choose_threshold(
        out_of_fold[rows],
        research.r_multiple[rows],
        research.days[rows],
        weights[rows],
        ThresholdSettings(rule=settings.threshold),
        y=research.y[rows],
    )
    place.on_stage(Stage("fit", 1, 1))
    return FrozenModel(
        spans=spans,
        weights=weights,
        searched=searched,
        candidates=candidates,
        probabilities=probabilities,
        taken=taken,
        challenger=challenger,
        threshold=threshold,
        warnings=(
            *task.warnings,
            *_chosen_on_sealed(task, spans.holdout),
            *training_warnings(research),
        ),
    )


def judge_model(
    frozen: FrozenModel, task: TrainingTask, settings: PipelineSettings, place: TrainingPlace
) -> JudgedModel:
    """Break the seal for a frozen model, once, and let the gate judge it on the holdout."""
    holdout = frozen.spans.holdout
    opened = _break_seal(frozen, task, place)
    null = np.full(len(holdout), frozen.challenger.null_probability)
    said = frozen.challenger.probability(holdout.x)
    probability = np.where(np.isfinite(said), said, null)
    window = Window(holdout.y, holdout.r_multiple, holdout.stretches, frozen.threshold.value)
    return JudgedModel(frozen, said, opened, judge(window, probability, null, None, settings.gate))


def export_model(
    judged: JudgedModel, task: TrainingTask, settings: PipelineSettings, release: str
) -> tuple[bytes, bytes]:
    """Return the card's bytes and the graph's. Errors as `write_model`."""
    figures = {name: f for name, f in judged.verdict.figures.items() if np.isfinite(f)}
    figures["threshold"] = judged.frozen.threshold.value
    figures["base_rate"] = judged.frozen.challenger.null_probability
    return write_model(
        judged.frozen.challenger,
        strategy=task.strategy,
        symbol=task.symbol,
        seed=settings.seed,
        figures=figures,
        code_version=release,
        holdout_opened_ts=judged.opened.first_ts,
    )


def weight_settings(settings: PipelineSettings) -> WeightSettings:
    """Return how samples are weighed."""
    return WeightSettings(half_life_days=settings.half_life_days or None)


def calibration_of(
    candidate: Candidate, research: Dataset, weights: Floats, settings: PipelineSettings
) -> Calibration:
    """Return a calibration of the candidate's out-of-fold margins."""
    rows = np.isfinite(candidate.margins)
    return calibrate(
        candidate.margins[rows],
        research.y[rows],
        weights[rows],
        research.days[rows],
        method=settings.calibration,
    )


def fit_taken(
    taken: Candidate,
    research: Dataset,
    columns: NDArray[np.int64],
    weights: Floats,
    settings: PipelineSettings,
    calibration: Calibration,
) -> Challenger:
    """Fit the candidate to all of the research span, on columns that were chosen on it."""
    rows = np.flatnonzero(complete_rows(research.x, columns))
    whole = np.ascontiguousarray(research.x[np.ix_(rows, columns)])
    fitted = taken.fit(
        whole, research.y[rows], weights[rows], seed=settings.seed, threads=settings.threads
    )
    return Challenger(
        learner=taken.name,
        training=research,
        weights=weights,
        columns=columns,
        fitted=fitted,
        calibration=calibration,
        out_of_fold=calibrated(taken.margins, calibration),
        null_probability=null_probability(taken.margins, research.y, weights),
        whole=whole,
    )


def configuration_digest(frozen: FrozenModel) -> str:
    """Return what stands for a frozen model: its data, what it is made of, and its threshold."""
    told = (
        frozen.spans.research.digest(),
        frozen.taken.name,
        frozen.taken.param_values,
        [frozen.challenger.training.names[c] for c in frozen.challenger.columns],
        frozen.challenger.calibration.figures(),
        frozen.threshold.value,
    )
    return hashlib.sha256(msgspec.json.encode(told, order="sorted")).hexdigest()


def _chosen_on_sealed(task: TrainingTask, holdout: Dataset) -> tuple[str, ...]:
    """Say so where the strategy's own parameters were chosen on bars of the sealed days."""
    first, last = int(holdout.ts[0]), int(holdout.exit_ts.max())
    is_searched = task.chosen_to_ts != 0
    if not is_searched or task.chosen_to_ts < first or task.chosen_from_ts > last:
        return ()
    return (
        f"the strategy's parameters were chosen on bars up to {day_of(task.chosen_to_ts)}, the "
        f"sealed days from {day_of(first)} on among them: what these show of the strategy is not "
        "new, only what they show of the model is",
    )


def _break_seal(frozen: FrozenModel, task: TrainingTask, place: TrainingPlace) -> Opened:
    holdout = frozen.spans.holdout
    days = Span(int(holdout.ts[0]) // DAY_NS, int(holdout.ts[-1]) // DAY_NS)
    engine = open_database(place.ledger, title="trial ledger")
    try:
        return open_holdout(
            engine,
            symbols_digest=symbols_digest_of(holdout.symbols.tolist()),
            span=days,
            strategy=f"model of {task.rule or task.strategy}",
            study=task.scope,
            params=configuration_digest(frozen),
            opened_ts=place.now_ns(),
        )
    finally:
        engine.dispose()
