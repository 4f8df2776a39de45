"""What a strategy's matured outcomes are like: what a simulation of them is drawn from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri

from engine.drift.detector import PROBABILITY_MIN
from trainers.dataset import DAY_NS
from trainers.false_alarms.overlap import NO_OVERLAP, Overlap, clusters_of, overlap_of
from trainers.metrics import Estimate, auc_difference, clustered

DAYS_PER_MONTH = 365.25 / 12.0
OUTCOMES_KEPT_MAX = 5_000
"""Of the newest outcomes: what a model said long ago says little of what it says now."""

CALIBRATED_ON = 1_000
"""Outcomes that a model is taken to be calibrated on where nothing is known of it."""

DRAWN_OUTCOMES = 2_000
BISECTIONS = 60
SPREAD_MAX = 20.0

Floats = NDArray[np.float64]


class Spoken(NamedTuple):
    """Predictions and what became of them, all [n]: times in UTC ns, `y` in {0, 1}."""

    signal_ids: NDArray[np.str_]
    ts: NDArray[np.int64]
    exit_ts: NDArray[np.int64]
    probability: Floats
    y: NDArray[np.int8]


class Seen(NamedTuple):
    """What outcomes say of a model, with errors clustered by concurrent trades.

    `auc`: the area under the curve. `level`: how far the log-odds of what happened lie above what
    it said, on the whole. `win_rate`: the share of ones.
    """

    auc: Estimate
    level: Estimate
    win_rate: float


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeProfile:
    """Outcomes in the order in which they are judged.

    `probability` float64[n] is what the model said; `clusters` int64[n] numbers those that ran at
    the same time. `per_month`: how many mature in a month, NaN where it is not known.
    `seen`: what the outcomes say of the model; None where there are none.
    """

    probability: Floats
    clusters: NDArray[np.int64]
    overlap: Overlap
    per_month: float
    seen: Seen | None = None

    def __len__(self) -> int:
        return int(self.probability.size)

    @property
    def base_rate(self) -> float:
        """The mean probability."""
        return float(self.probability.mean())

    @property
    def level_error(self) -> float:
        """How exactly it is known that the level of the log-odds is right: a standard error."""
        if self.seen is None or not np.isfinite(self.seen.level.error):
            return float(1.0 / np.sqrt(CALIBRATED_ON * self.base_rate * (1.0 - self.base_rate)))
        return self.seen.level.error

    @property
    def promised_auc(self) -> float:
        """The area under the curve that the probabilities promise, if they are calibrated."""
        return promised_auc(self.probability)


def profile_of(spoken: Spoken, maturity_ns: int = 0) -> OutcomeProfile:
    """Return the profile of what a model said; judged at exit or `maturity_ns` after the signal.

    There must be an outcome; of many the newest OUTCOMES_KEPT_MAX count.
    """
    judged_ts = np.maximum(spoken.exit_ts, spoken.ts + maturity_ns)
    order = np.lexsort((spoken.signal_ids, judged_ts))
    months = monthly(judged_ts)
    kept = order[-OUTCOMES_KEPT_MAX:]
    p = np.clip(spoken.probability[kept], PROBABILITY_MIN, 1.0 - PROBABILITY_MIN)
    y = spoken.y[kept]
    clusters = clusters_of(spoken.ts[kept], spoken.exit_ts[kept])
    return OutcomeProfile(
        probability=p,
        clusters=clusters,
        overlap=overlap_of(p, y, clusters),
        per_month=months,
        seen=_seen(y, p, clusters),
    )


def profile_of_auc(
    auc: float, base_rate: float, per_month: float, timeline: OutcomeProfile | None = None
) -> OutcomeProfile:
    """Return the profile of a calibrated model of that AUC whose log-odds are normal.

    The order of its probabilities is arbitrary, but always the same. With a `timeline` its
    outcomes run together as those do.
    """
    count = DRAWN_OUTCOMES if timeline is None else len(timeline)
    quantiles = ndtri((np.arange(DRAWN_OUTCOMES) + 0.5) / DRAWN_OUTCOMES)
    spread = _bisect(lambda s: promised_auc(_normal(quantiles, s, base_rate)), auc, SPREAD_MAX)
    sorted_p = _normal(quantiles, spread, base_rate)
    rng = np.random.default_rng(0)
    rounds = -(-count // DRAWN_OUTCOMES)
    p = np.concatenate([rng.permutation(sorted_p) for _ in range(rounds)])[:count]
    if timeline is None:
        return OutcomeProfile(p, np.arange(count), NO_OVERLAP, per_month)
    return OutcomeProfile(p, timeline.clusters, timeline.overlap, per_month)


def promised_auc(probability: Floats) -> float:
    """Return the AUC of calibrated probabilities in expectation over outcomes; ties count half.

    >>> promised_auc(np.array([0.5, 0.5]))
    0.5
    """
    values, place = np.unique(probability, return_inverse=True)
    ones = np.bincount(place, weights=probability, minlength=values.size)
    zeros = np.bincount(place, weights=1.0 - probability, minlength=values.size)
    below = np.cumsum(zeros) - zeros
    return float((ones * (below + zeros / 2.0)).sum() / (ones.sum() * zeros.sum()))


def monthly(judged_ts: NDArray[np.int64]) -> float:
    """Return how many outcomes mature in a month; NaN for those of one instant."""
    if judged_ts.size < 2:
        return float("nan")
    months = float(judged_ts.max() - judged_ts.min()) / DAY_NS / DAYS_PER_MONTH
    return (judged_ts.size - 1) / months if months > 0.0 else float("nan")


def _seen(y: NDArray[np.int8], p: Floats, clusters: NDArray[np.int64]) -> Seen:
    difference = auc_difference(y, p, np.zeros(y.size), clusters)
    # One step of Newton's from what was said: the slope of the likelihood over its curvature.
    each = (y - p) / float((p * (1.0 - p)).sum())
    level = float(each.sum())
    return Seen(
        auc=difference._replace(value=0.5 + difference.value),
        level=clustered(level, each - each.mean(), clusters),
        win_rate=float(y.mean()),
    )


def _normal(quantiles: Floats, spread: float, base_rate: float) -> Floats:
    """Probabilities whose log-odds are normal with that spread, and whose mean is the base rate."""
    centre = float(logit(base_rate))
    reach = SPREAD_MAX + abs(centre)
    offset = _bisect(
        lambda m: float(expit(m - reach + spread * quantiles).mean()), base_rate, 2 * reach
    )
    found: Floats = expit(offset - reach + spread * quantiles)
    return np.clip(found, PROBABILITY_MIN, 1.0 - PROBABILITY_MIN)


def _bisect(rising: Callable[[float], float], wanted: float, high: float) -> float:
    low = 0.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        if rising(middle) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0
