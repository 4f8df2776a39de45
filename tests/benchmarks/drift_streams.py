"""Outcomes of trained models on Layer A, and what detectors say of them.

A model is fitted as the live trainer fits one; its outcomes go through the detectors as the watch
over a model drives them (a test holds both equal), without the events around them.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import cast

import numpy as np
from numpy.typing import NDArray

from engine.drift.detector import ClusteredDetector, Reference
from engine.drift.drift_budget import Watcher, watchers
from engine.drift.outcome_cluster import OutcomeCluster
from engine.settings import DriftSettings
from streams import layer_a
from tests.trainers.samples import dataset_of, layer_a_dataset
from trainers.challenger import Challenger, fit_challenger
from trainers.settings import TrainSettings

TRAINING_SAMPLES = 2_000
BAYES_AUC = 0.62
LEARNER = "lightgbm"
HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
MINUTE_NS = HOUR_NS // 60


@dataclass(frozen=True)
class OutcomeRun:
    """Outcomes of one model in the order of judgement: what it said, what became of it, when.

    `number` counts all samples that were drawn: of some the model does not speak.
    """

    number: list[int]
    probability: list[float]
    outcome: list[int]
    ts: list[int]
    exit_ts: list[int]

    def __len__(self) -> int:
        return len(self.outcome)


def trained(seed: int) -> Challenger:
    """A model of so many samples of Layer A, as the live trainer's default fits it."""
    training = layer_a_dataset(TRAINING_SAMPLES, seed, bayes_auc=BAYES_AUC)
    challenger = fit_challenger(training, LEARNER, TrainSettings())
    assert challenger is not None
    return challenger


def drawn(
    model: Challenger,
    seed: int,
    count: int,
    *,
    drift: layer_a.Drift = "NONE",
    drift_at: int = 0,
    block: int = 1,
    correlation: float = 0.0,
) -> OutcomeRun:
    """What `model` says of new samples, and their outcomes.

    Each `block` of trades is open at one time; their outcomes share one normal factor.
    """
    rng = np.random.default_rng(seed)
    samples = layer_a.draw(rng, count, bayes_auc=BAYES_AUC, drift=drift, drift_at=drift_at)
    outcome = samples.outcome
    if block > 1:
        outcome = _together(rng, samples.probability, block, correlation)
    dataset = dataset_of(samples.features, outcome, names=layer_a.FEATURE_NAMES)
    said = model.probability(dataset.x)
    number = np.flatnonzero(np.isfinite(said))
    day, within = np.divmod(number, block)
    ts = day * DAY_NS + within * MINUTE_NS
    exit_ts = ts + 23 * HOUR_NS
    columns = (number, said[number], outcome[number], ts, exit_ts)
    return OutcomeRun(*(column.tolist() for column in columns))


def _together(
    rng: np.random.Generator, probability: NDArray[np.float64], block: int, correlation: float
) -> NDArray[np.int64]:
    """Outcomes of the same probabilities, correlated within blocks: a one-factor copula."""
    count = len(probability)
    shared = np.repeat(rng.standard_normal(-(-count // block)), block)[:count]
    own = rng.standard_normal(count)
    factor = np.sqrt(correlation) * shared + np.sqrt(1.0 - correlation) * own
    bar = np.array([NormalDist().inv_cdf(p) for p in probability])
    return (factor < bar).astype(np.int64)


def alarms_of(
    run: OutcomeRun, settings: DriftSettings, *, until_first_from: int | None = None
) -> dict[str, list[int]]:
    """The numbers of the samples at which each detector of `settings` alarms.

    One strategy is watched. `until_first_from`: go on only to the first alarm there or later.
    """
    reference = Reference(run.probability[: settings.reference_outcomes])
    return {
        watcher.name: _alarms(run, watcher, reference, settings, until_first_from)
        for watcher in watchers(settings, strategies=1)
    }


def _alarms(
    run: OutcomeRun,
    watcher: Watcher,
    reference: Reference,
    settings: DriftSettings,
    until_first_from: int | None,
) -> list[int]:
    detector, stream = watcher.begin(reference)
    cluster = OutcomeCluster() if watcher.is_clustered else None
    found = []
    for i in range(settings.reference_outcomes, len(run)):
        value = stream(run.probability[i], run.outcome[i])
        if cluster is None:
            detector.update(value)
        else:
            complete = cluster.add(value, run.ts[i], run.exit_ts[i])
            if not complete:
                continue
            cast(ClusteredDetector, detector).update_many(complete)
        if detector.drift_detected:
            found.append(run.number[i])
            if until_first_from is not None and found[-1] >= until_first_from:
                break
    return found


def delay(alarms: list[int], drift_at: int) -> float:
    """Outcomes from the drift to the first alarm after it; infinite where there is none."""
    after = [at - drift_at + 1 for at in alarms if at >= drift_at]
    return float(after[0]) if after else float("inf")
