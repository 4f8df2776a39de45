"""Outcomes of one model as they might have come, one after the other.

A stream walks through the profile's predictions in their order from a random cluster on, again
from the first after the last, and draws every outcome anew. Outcomes are dependent through a
one-factor Gaussian copula: a cluster of concurrent trades shares a factor, and neighbouring
clusters share as much of it as was measured.

No model is born with exactly the right level: each stream's is off by what the profile's outcomes
leave open.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import expit, logit, ndtri

from trainers.false_alarms.drift_law import NONE, true_probability
from trainers.false_alarms.outcome_profile import OutcomeProfile
from trainers.false_alarms.overlap import LATENT_MAX, latent_correlation

PROFILES_KEPT = 8

Floats = NDArray[np.float64]


class Drawn(NamedTuple):
    """Outcomes in order, all [m]: rows of the profile, y in {0, 1}, and where a cluster ends."""

    rows: NDArray[np.int64]
    y: NDArray[np.int64]
    ends: NDArray[np.bool_]


class Dependence(NamedTuple):
    """The correlation of the copula's normals in a cluster, and of neighbours' common factors."""

    latent: float
    carry: float


class SimulatedOutcomes:
    """One stream of outcomes: `rng` decides all of it; the law changes at outcome `drift_at`.

    Outcomes are counted from 0, those that `skip` passes over among them.
    """

    def __init__(
        self,
        profile: OutcomeProfile,
        rng: np.random.Generator,
        law: str = NONE,
        drift_at: int = 0,
    ) -> None:
        self._rng = rng
        self._drift_at = drift_at
        self._drawn = 0
        off = profile.level_error * float(rng.standard_normal())
        said = profile.probability if off == 0.0 else expit(logit(profile.probability) + off)
        self._limits = ndtri(said)
        self._drifted = ndtri(true_probability(said, law))
        self._dependence = dependence_of(profile)
        clusters = profile.clusters
        self._begins = np.concatenate(([True], clusters[1:] != clusters[:-1]))
        self._place = int(rng.choice(np.flatnonzero(self._begins)))
        self._factor = float(rng.standard_normal())

    def skip(self, count: int) -> NDArray[np.int64]:
        """Pass over `count` outcomes; return their rows."""
        rows = self._walk(count)
        self._drawn += count
        return rows

    def draw(self, count: int) -> Drawn:
        """Draw the next `count` outcomes."""
        rows = self._walk(count)
        begins = self._begins[rows]
        noise = self._noise(begins)
        is_old = self._drawn + np.arange(count) < self._drift_at
        limits = np.where(is_old, self._limits[rows], self._drifted[rows])
        self._drawn += count
        following = self._begins[(rows[-1] + 1) % self._begins.size]
        ends = np.concatenate((begins[1:], [following]))
        return Drawn(rows, (noise < limits).astype(np.int64), ends)

    def _walk(self, count: int) -> NDArray[np.int64]:
        rows = (self._place + np.arange(count)) % self._begins.size
        self._place = (self._place + count) % self._begins.size
        return rows

    def _noise(self, begins: NDArray[np.bool_]) -> Floats:
        own = self._rng.standard_normal(begins.size)
        latent, carry = self._dependence
        if latent <= 0.0:
            return own
        shocks = np.sqrt(1.0 - carry**2) * self._rng.standard_normal(int(begins.sum()))
        later, _ = lfilter([1.0], [1.0, -carry], shocks, zi=[carry * self._factor])
        factors = np.concatenate(([self._factor], later))
        self._factor = float(factors[-1])
        shared: Floats = factors[np.cumsum(begins)]
        together: Floats = np.sqrt(latent) * shared + np.sqrt(1.0 - latent) * own
        return together


@lru_cache(maxsize=PROFILES_KEPT)
def dependence_of(profile: OutcomeProfile) -> Dependence:
    """Return the copula that makes outcomes as dependent as they were measured."""
    latent = latent_correlation(profile.overlap.correlation, profile.base_rate)
    if latent == 0.0:
        return Dependence(0.0, 0.0)
    beside = latent_correlation(profile.overlap.neighbours, profile.base_rate)
    return Dependence(latent, min(beside / latent, LATENT_MAX))
