"""Layer A of the test bed: samples whose true probabilities are known.

z ~ N(0, I₈) and an index g of it decide everything: p = σ(intercept + s·g), y ~ Bernoulli(p).
X = z, two copies of each (.8 z + .6 ε) and 16 noise columns: 40 features. `s` is chosen for the
best AUC that any model can reach: .56, .62 or .70. Drifts change the law from one sample on.

>>> samples = draw(np.random.default_rng(7), 1000, bayes_auc=0.62)
>>> samples.features.shape
(1000, 40)
>>> 0.58 < expected_auc(samples.score, samples.probability) < 0.66
True
"""

from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Drift = Literal["NONE", "FLIP", "B", "DEAD", "HALF", "PRIOR", "COV", "GRADUAL", "RECURRING"]

DRIFTS: tuple[str, ...] = get_args(Drift)
SLOPES = {0.56: 0.2116, 0.62: 0.4358, 0.70: 0.7816}
INTERCEPT = -0.2
FACTORS = 8
COPIES = 2
NOISE_COLUMNS = 16
FEATURES = FACTORS * (1 + COPIES) + NOISE_COLUMNS
FEATURE_NAMES = tuple(f"x{i:02d}" for i in range(FEATURES))
GRADUAL_SAMPLES = 1000
RECURRING_SAMPLES = 1000
BASE_RATE_DRAWS = 200_000

_PRIOR_SHIFT = -0.35
_COV_SHIFT = 0.8


class Samples(NamedTuple):
    """n samples in order: `features` (n, 40), `probability` p, its `log_odds`, `outcome` y.

    `score` is the log-odds under the first law: what the best model trained before a drift says.
    """

    features: Floats
    score: Floats
    log_odds: Floats
    probability: Floats
    outcome: NDArray[np.int64]


def draw(
    rng: np.random.Generator,
    count: int,
    *,
    bayes_auc: float = 0.62,
    drift: Drift = "NONE",
    drift_at: int = 0,
) -> Samples:
    """Return `count` samples; from sample `drift_at` on, the law is the drifted one.

    `bayes_auc` must be one of SLOPES, `drift` one of DRIFTS; else ValueError.
    """
    if bayes_auc not in SLOPES:
        raise ValueError(f"bayes_auc must be one of {', '.join(map(str, SLOPES))}, was {bayes_auc}")
    if drift not in DRIFTS:
        raise ValueError(f"drift must be one of {', '.join(DRIFTS)}, was {drift!r}")
    slope = SLOPES[bayes_auc]
    z = rng.standard_normal((count, FACTORS))
    after = np.arange(count) >= drift_at
    if drift == "COV":
        for factor in (0, 4):
            z[after, factor] += _COV_SHIFT
    score = INTERCEPT + slope * index(z)
    log_odds = np.where(after, _drifted(rng, z, slope, drift, drift_at), score)
    probability = sigmoid(log_odds)
    outcome = (rng.random(count) < probability).astype(np.int64)
    return Samples(_features(rng, z), score, log_odds, probability, outcome)


def index(z: Floats) -> Floats:
    """Return g of factors `z` (n, 8): two linear pairs, a product, a step and a square."""
    z1, z2, z3, z4, z5, z6, z7, z8 = z.T
    linear = 0.55 * z1 - 0.45 * z2 + 0.35 * z3 - 0.25 * z4
    step = 0.35 * ((z7 > 0.5) - 0.3085) / 0.4619
    result: Floats = linear + 0.40 * z5 * z6 + step + 0.25 * (z8**2 - 1.0) / np.sqrt(2.0)
    return result


def sigmoid(log_odds: Floats) -> Floats:
    """Return 1 / (1 + e^-x)."""
    result: Floats = 1.0 / (1.0 + np.exp(-log_odds))
    return result


def expected_auc(score: Floats, probability: Floats) -> float:
    """Return the AUC of `score` in expectation over outcomes: no label noise.

    Σ pᵢ Σ_{j below i} (1 − pⱼ), over the same sum for all pairs i ≠ j. Ties count in the order
    they stand in; scores are taken to be continuous.
    """
    p = probability[np.argsort(score, kind="stable")]
    below = np.cumsum(1.0 - p) - (1.0 - p)
    pairs = p.sum() * (1.0 - p).sum() - (p * (1.0 - p)).sum()
    return float((p * below).sum() / pairs)


def _features(rng: np.random.Generator, z: Floats) -> Floats:
    count = len(z)
    copies = [0.8 * z + 0.6 * rng.standard_normal(z.shape) for _ in range(COPIES)]
    noise = rng.standard_normal((count, NOISE_COLUMNS))
    return np.concatenate([z, *copies, noise], axis=1)


def _drifted(
    rng: np.random.Generator, z: Floats, slope: float, drift: Drift, drift_at: int
) -> Floats:
    """Return the log-odds under the drifted law, for every sample."""
    effect = slope * index(z)
    flipped = INTERCEPT - effect
    since = np.arange(len(z)) - drift_at
    if drift == "FLIP":
        return flipped
    if drift == "B":
        return INTERCEPT + slope * index(z * np.array([-1.0, -1.0, 1, 1, 1, 1, 1, 1]))
    if drift == "DEAD":
        base_rate = _base_rate(slope)
        return np.full(len(z), np.log(base_rate / (1.0 - base_rate)))
    if drift == "HALF":
        return INTERCEPT + effect / 2.0
    if drift == "PRIOR":
        return INTERCEPT + _PRIOR_SHIFT + effect
    if drift == "GRADUAL":
        # Each sample follows the new law with a probability that grows from 0 to 1.
        is_new = rng.random(len(z)) < since / GRADUAL_SAMPLES
        return np.where(is_new, flipped, INTERCEPT + effect)
    if drift == "RECURRING":
        is_new = (since // RECURRING_SAMPLES) % 2 == 0
        return np.where(is_new, flipped, INTERCEPT + effect)
    return INTERCEPT + effect


def _base_rate(slope: float) -> float:
    """The mean of p under the first law, from draws of its own so that it is a constant."""
    z = np.random.default_rng(0).standard_normal((BASE_RATE_DRAWS, FACTORS))
    return float(sigmoid(INTERCEPT + slope * index(z)).mean())
