"""What a training sample weighs: how much of its own news it carries, and how old it is.

Average uniqueness over the label span and the number of signals of the day are
`trainers.uniqueness`'s; age is an option. A weight is decided by the rows it is given and nothing
else: inside a fold, by the fold's training rows.
"""

from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from trainers.dataset import DAY_NS, Dataset
from trainers.uniqueness import per_day, per_symbol_uniqueness

HALVINGS_MAX = 64.0
"""Older samples weigh alike: no weight vanishes, so none is divided by."""

WEIGHT_MIN = 1e-9
"""Of the mean weight: less teaches nothing more, and a library divides by nothing."""

Floats = NDArray[np.float64]


class WeightSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What decides a weight.

    `uniqueness`: the mean of 1 / concurrency over the label span, among the samples of the same
    symbol. `per_day`: a day's signals share one signal's weight. `half_life_days` halves a weight
    for every so many days between its label and the newest label known, by event time; None: age
    does not count.
    """

    uniqueness: bool = True
    per_day: bool = True
    half_life_days: Annotated[float, msgspec.Meta(gt=0.0)] | None = None


DEFAULT = WeightSettings()


class EffectiveSize(NamedTuple):
    """How many equally weighted samples, and days, the weights are worth (Kish 1965)."""

    rows: float
    days: float


def weights_of(samples: Dataset, settings: WeightSettings = DEFAULT) -> Floats:
    """Return one weight per sample, float64[n] > 0 with mean 1."""
    if not len(samples):
        return np.empty(0)
    weights = np.ones(len(samples))
    if settings.uniqueness:
        weights = per_symbol_uniqueness(samples.symbols, samples.entry_ts, samples.exit_ts)
    if settings.per_day:
        weights = weights / per_day(samples.days)
    if settings.half_life_days is not None:
        weights = weights * decay(samples.exit_ts, settings.half_life_days)
    scaled: Floats = weights / weights.mean()
    return scaled


def relative(weights: Floats) -> Floats:
    """Return weights of mean 1, none below WEIGHT_MIN: what a library is given.

    A fold's weights are cut from those of a longer span, and may all be small there; a library
    whose penalty is in units of weight would learn nothing from them.
    """
    found: Floats = np.maximum(weights / weights.mean(), WEIGHT_MIN)
    return found


def decay(known_ts: NDArray[np.int64], half_life_days: float) -> Floats:
    """Return ½ ^ (age / half-life), the age counted back from the newest of `known_ts`.

    `known_ts` int64[n], UTC nanoseconds, when each label closed. float64[n] in (0, 1].

    >>> decay(np.array([0, 10 * DAY_NS, 20 * DAY_NS]), half_life_days=10.0).tolist()
    [0.25, 0.5, 1.0]
    """
    age_days = (known_ts.max() - known_ts) / DAY_NS
    decayed: Floats = np.exp2(-np.minimum(age_days / half_life_days, HALVINGS_MAX))
    return decayed


def effective_size(weights: Floats, days: NDArray[np.int64]) -> EffectiveSize:
    """Return (Σ w)² / Σ w² over samples, and the same over the sums of each day.

    >>> effective_size(np.ones(4), np.array([1, 1, 1, 2]))
    EffectiveSize(rows=4.0, days=1.6)
    """
    _, day_of = np.unique(days, return_inverse=True)
    of_days = np.bincount(day_of, weights=weights).astype(np.float64)
    return EffectiveSize(_kish(weights), _kish(of_days))


def _kish(weights: Floats) -> float:
    squares = float(np.dot(weights, weights))
    return float(weights.sum()) ** 2 / squares if squares > 0.0 else 0.0
