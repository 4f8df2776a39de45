"""How often a first model comes into force, where there is something to learn and where not."""

from collections.abc import Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from streams import layer_a
from streams.events import Retrain
from tests.simulation.learning import BREAK_EVEN, STRATEGY, paying
from tests.trainers.samples import dataset_of, with_signal_columns
from trainers.dataset import Dataset
from trainers.settings import TrainSettings
from trainers.training import train_candidate

FIRST_SEED = 90_000


def first_models(seeds: Sequence[int], count: int, bayes_auc: float | None) -> list[bool]:
    """Whether a strategy of `count` outcomes gets a model; `bayes_auc` None: there is no skill."""
    with threadpool_limits(1):
        return [is_promoted(market_of(seed, count, bayes_auc)) for seed in seeds]


def market_of(seed: int, count: int, bayes_auc: float | None) -> Dataset:
    """Layer A samples that pay nothing together; without skill outcomes go to other signals."""
    rng = np.random.default_rng(FIRST_SEED + seed)
    samples = layer_a.draw(rng, count, bayes_auc=bayes_auc or 0.62)
    outcome = samples.outcome if bayes_auc else rng.permutation(samples.outcome)
    data = dataset_of(samples.features, outcome, names=layer_a.FEATURE_NAMES)
    return paying(with_signal_columns(data))


def is_promoted(data: Dataset) -> bool:
    """Train on all of it and let the gate judge."""
    request = Retrain("r", STRATEGY, None, "no_model", 0, "drift", int(data.exit_ts.max()))
    found = train_candidate(data, request, TrainSettings(), threshold=BREAK_EVEN)
    return found.verdict.promoted
