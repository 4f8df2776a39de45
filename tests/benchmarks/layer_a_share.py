"""How much of what can be learned the pipeline learns, where that is known; and what on noise.

A share is (AUC - 1/2) of a model over that of the true probabilities, on TEST_DRAWS fresh draws
and without label noise (`streams.layer_a.expected_auc`).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from streams import layer_a
from tests.benchmarks.trained_model import TASK, place_of, probability_of, trained, unguarded
from tests.trainers.samples import layer_a_dataset, noise_dataset
from trainers.dataset import Dataset
from trainers.learner import load_learner
from trainers.pipeline.model_training import freeze_model, judge_model
from trainers.pipeline.pipeline_settings import PipelineSettings
from trainers.sample_weights import weights_of

TEST_DRAWS = 20_000
TEST_SEED = 10_000
NOISE_SAMPLES = 900

HOUSE, SERVED = "house", "house, as served"
PLAIN = ("logistic", "lightgbm")

Floats = NDArray[np.float64]


def shares(bayes_auc: float, count: int, seed: int, settings: PipelineSettings) -> dict[str, float]:
    """The share of each model, trained on the same samples and scored on the same draws.

    `house` is what the pipeline learned; served, the input guard silences it on a hundredth of
    the rows, which the plain models are not.
    """
    training = layer_a_dataset(count, seed, bayes_auc=bayes_auc)
    rng = np.random.default_rng(TEST_SEED + seed)
    test = layer_a.draw(rng, TEST_DRAWS, bayes_auc=bayes_auc)
    x, p = test.features.astype(np.float32), test.probability
    best = layer_a.expected_auc(p, p) - 0.5
    with threadpool_limits(1):
        model = trained(training, settings)
        scores = {HOUSE: unguarded(model, x), SERVED: probability_of(model, x)}
        scores |= {learner: untuned(learner, training)(x) for learner in PLAIN}
    return {name: (layer_a.expected_auc(score, p) - 0.5) / best for name, score in scores.items()}


def untuned(learner: str, training: Dataset) -> Callable[[NDArray[np.float32]], Floats]:
    """A learner with its defaults on all columns."""
    fitted = load_learner(learner).fit(
        training.x, training.y, weights_of(training), seed=7, threads=1
    )
    return fitted.margin


def is_deployed_on_noise(seed: int, settings: PipelineSettings, folder: Path) -> bool:
    """Whether a model of pure noise passes the gate."""
    samples = noise_dataset(NOISE_SAMPLES, seed)
    place = place_of(str(folder / f"noise-{seed}.db"))
    with threadpool_limits(1):
        frozen = freeze_model(samples, TASK, settings, place)
        return judge_model(frozen, TASK, settings, place).verdict.promoted
