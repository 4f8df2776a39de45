"""The model that the benchmarks of science judge: what the house trains on one set of samples.

One place, so that all of them follow the house when it trains in another way.
"""

import numpy as np
from numpy.typing import NDArray

from trainers.challenger import Challenger, fit_challenger
from trainers.dataset import Dataset
from trainers.settings import TrainSettings
from trainers.training import choose

Floats = NDArray[np.float64]


def trained(training: Dataset, settings: TrainSettings) -> Challenger:
    """Return the learner of `settings` with the least log-loss out of fold, calibrated."""
    fitted = [fit_challenger(training, learner, settings) for learner in settings.learners]
    chosen = choose([challenger for challenger in fitted if challenger is not None])
    if chosen is None:
        raise AssertionError(f"{len(training)} samples must give a model, gave none")
    return chosen


def probability_of(model: Challenger, x: NDArray[np.float32]) -> Floats:
    """Return what a model says of x[n, k], float64[n]; the null model's word where it is silent."""
    said = model.probability(x)
    return np.where(np.isfinite(said), said, model.null_probability)
