"""The guards of trained models keep their budget on data like that of training, and see the rest.

make bench-science ARGS="-k guards_of"
"""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tests.trainers.samples import layer_a_dataset
from trainers.challenger import Challenger, fit_challenger
from trainers.settings import TrainSettings

pytestmark = pytest.mark.slow

MODELS = 20
LIVE = 5_000
BUDGET_MAX = 0.011


def silent(model: Challenger, x: np.ndarray) -> float:
    """The share of complete rows on which it does not speak."""
    return float(np.mean(np.isnan(model.probability(x))))


@pytest.mark.parametrize("count", [500, 2_000])
def test_guards_of_trained_models_reject_a_hundredth(count: int):
    usual, moved, far = [], [], []
    for seed in range(MODELS):
        with threadpool_limits(1):
            model = fit_challenger(layer_a_dataset(count, seed), "lightgbm", TrainSettings())
        assert model is not None
        live = layer_a_dataset(LIVE, 10_000 + seed).x
        usual.append(silent(model, live))
        moved.append(silent(model, layer_a_dataset(LIVE, 20_000 + seed, drift="COV").x))
        strange = live[:500].copy()
        columns = np.random.default_rng(seed).choice(model.columns, len(strange))
        strange[np.arange(len(strange)), columns] += 8.0
        far.append(silent(model, strange))
    print(
        f"\nn = {count:,}: rejected of usual rows {np.mean(usual):.2%} "
        f"({min(usual):.2%} to {max(usual):.2%}), of COV {np.mean(moved):.2%}, "
        f"with one value 8 deviations out {np.mean(far):.2%}"
    )
    assert np.mean(usual) <= BUDGET_MAX
    assert np.mean(moved) > 1.5 * np.mean(usual)
    assert np.mean(far) > 0.99
