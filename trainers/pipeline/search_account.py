"""What the search is worth: every trial counted in the ledger, and the result deflated by all."""

import hashlib

import msgspec
import numpy as np
from numpy.typing import NDArray

from trainers.calibrators.calibrator import base_rate
from trainers.calibrators.platt import fit_platt
from trainers.dataset import Dataset
from trainers.evaluation.overfitting import DailySums, daily_sums, deflated_of, pbo_of
from trainers.metrics import log_losses
from trainers.pipeline.model_report import Overfitting, Tuning
from trainers.pipeline.model_training import FrozenModel
from trainers.pipeline.training_task import TrainingPlace, TrainingTask
from trainers.research.trial_ledger import Among, Trial, TrialLedger, symbols_digest_of
from trainers.statistics.performance import moments_of
from trainers.tuning.tuning_trial import TuningTrial

SAMPLER = "TPE"
PERIODS_MIN = 2

Floats = NDArray[np.float64]


def tuning_of(frozen: FrozenModel) -> Tuning:
    """Return how many trials there were, and what the best and the default came to."""
    tuned = list(frozen.searched.tuned.values())
    trials = [trial for one in tuned for trial in one.trials]
    constant = _constant_loss(frozen)
    return Tuning(
        sampler=SAMPLER,
        complete=sum(trial.is_complete for trial in trials),
        pruned=sum(not trial.is_complete for trial in trials),
        best_log_loss=constant - max(one.value for one in tuned),
        default_log_loss=constant - max(one.default_value for one in tuned),
    )


def count_trials(frozen: FrozenModel, task: TrainingTask, place: TrainingPlace) -> Among:
    """Count every trial in the ledger, each once; return which count together.

    To be called before the seal is broken: who looks at the sealed days has tried them all. Those
    of models of one rule on one set of symbols count together.
    """
    symbols = symbols_digest_of(frozen.spans.research.symbols.tolist())
    scope = task.rule or task.strategy
    with TrialLedger(place.ledger) as ledger:
        ledger.record(_trials(frozen, scope, symbols, task))
    return Among(kind="model", scope=scope, symbols_digest=symbols)


def overfitting_of(frozen: FrozenModel, task: TrainingTask, place: TrainingPlace) -> Overfitting:
    """Say how far the search explains what it found; its trials are counted first.

    The deflated Sharpe ratio is that of the R of a day of what the model accepts out of fold.
    """
    among = count_trials(frozen, task, place)
    daily = accepted_r(frozen.spans.research, frozen.out_of_fold, frozen.threshold.value)
    with TrialLedger(place.ledger) as ledger:
        deflated = deflated_of(daily, ledger, among)
    return Overfitting(pbo=pbo_of(_daily_gains(frozen)), deflated=deflated)


def accepted_r(samples: Dataset, probability: Floats, threshold: float) -> DailySums:
    """Return the net R of each day of what is accepted, of the samples with a probability."""
    rows = np.isfinite(probability)
    taken = np.where(probability[rows] >= threshold, samples.r_multiple[rows], 0.0)
    return daily_sums(taken, samples.days[rows])


def _constant_loss(frozen: FrozenModel) -> float:
    """The weighted log-loss of the base rate, which the values of trials are gains over."""
    rows = frozen.searched.plan.tested
    y, weights = frozen.spans.research.y[rows], frozen.weights[rows]
    return float(np.average(log_losses(y, np.full(y.size, base_rate(y, weights))), weights=weights))


def _daily_gains(frozen: FrozenModel) -> Floats:
    """Gains of complete trials, float64[days, trials], on the samples that all of them predict."""
    complete = [
        trial.gains
        for one in frozen.searched.tuned.values()
        for trial in one.trials
        if trial.is_complete
    ]
    gains = np.stack(complete, axis=1).astype(np.float64)
    rows = np.isfinite(gains).all(axis=1)
    return daily_sums(gains[rows], frozen.spans.research.days[rows]).sums


def _trials(frozen: FrozenModel, scope: str, symbols: str, task: TrainingTask) -> list[Trial]:
    research = frozen.spans.research
    digest = research.digest()
    found = []
    for learner, one in frozen.searched.tuned.items():
        for trial in one.trials:
            told = (learner, trial.params, task.params)
            key = msgspec.json.encode(told, order="sorted")
            sharpe, periods = _sharpe(frozen, trial)
            found.append(
                Trial(
                    kind="model",
                    scope=scope,
                    symbols_digest=symbols,
                    data_digest=digest,
                    params_digest=hashlib.sha256(key).hexdigest(),
                    study=task.scope,
                    sharpe=sharpe,
                    periods=periods,
                )
            )
    return found


def _sharpe(frozen: FrozenModel, trial: TuningTrial) -> tuple[float | None, int]:
    """The Sharpe ratio of a trial's accepted R by day, None of one that was given up."""
    if not trial.is_complete:
        return None, 0
    research = frozen.spans.research
    rows = np.isfinite(trial.margins)
    platt = fit_platt(trial.margins[rows], research.y[rows], frozen.weights[rows])
    probability = np.full(rows.size, np.nan)
    probability[rows] = platt.probability(trial.margins[rows])
    daily = accepted_r(research, probability, frozen.threshold.value)
    if daily.sums.size < PERIODS_MIN:
        return None, int(daily.sums.size)
    return moments_of(daily.sums).sharpe, int(daily.sums.size)
