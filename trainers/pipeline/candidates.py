"""The models that one span of samples gives: single learners, the ensemble, and the blend.

- a learner alone, with the hyperparameters that its search found;
- `ensemble`: the mean of the boosters' log-odds;
- `blend`: the mean of the calibrated log-odds of the ensemble, the line and the forest, three
  models that err in different ways.

The blend is taken unless another was better, out of fold, by more than CHOICE_ERRORS standard
errors of their difference: near the noise floor the lowest of seven losses is mostly luck.
`tests/benchmarks/bench_layer_a.py` holds what is taken against ridge logistic and the untuned
LightGBM.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from trainers.blend import Blend, Member
from trainers.calibrators.calibrator import Calibration, base_rate
from trainers.calibrators.platt import fit_platt
from trainers.learner import Fitted, load_learner
from trainers.metrics import Estimate, clustered_mean, log_losses
from trainers.pipeline.pipeline_settings import BOOSTERS
from trainers.tuning.tuning import Tuned

ENSEMBLE, BLEND = "ensemble", "blend"
CHOICE_ERRORS = 2.0
ROWS_MIN = 20
"""Fewer out-of-fold predictions calibrate nothing."""

Floats = NDArray[np.float64]


class Candidate(NamedTuple):
    """A way to make a model, and what it said out of fold: margins float64[n], NaN for silence.

    `parts` are the members with the slope and intercept of their margins in the mean, () for a
    learner alone, whose hyperparameters are `params`.
    """

    name: str
    margins: Floats
    params: msgspec.Struct | None = None
    parts: tuple[tuple["Candidate", float, float], ...] = ()

    def fit(
        self,
        x: NDArray[np.float32],
        y: NDArray[np.int8],
        weights: Floats,
        *,
        seed: int,
        threads: int,
    ) -> Fitted:
        """Fit the learner, or every member, to complete rows x[n, k]."""
        if not self.parts:
            module = load_learner(self.name)
            params = module.Params() if self.params is None else self.params
            return module.fit(x, y, weights, seed=seed, threads=threads, params=params)
        return Blend(
            tuple(
                Member(part.fit(x, y, weights, seed=seed, threads=threads), slope, intercept)
                for part, slope, intercept in self.parts
            )
        )

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the members."""
        return tuple(part.name for part, _, _ in self.parts)

    @property
    def param_values(self) -> dict[str, Any]:
        """The hyperparameters by name; of members, by member."""
        if self.parts:
            return {part.name: part.param_values for part, _, _ in self.parts}
        return msgspec.to_builtins(self.params) if self.params is not None else {}


def candidates_of(
    tuned: Mapping[str, Tuned], y: NDArray[np.int8], weights: Floats, *, together: bool
) -> tuple[Candidate, ...]:
    """Return the candidates that the `tuned` learners make; with `together` the means too.

    Those with fewer than ROWS_MIN out-of-fold margins are left out.
    """
    single = {
        name: Candidate(name, one.margins, one.params)
        for name, one in tuned.items()
        if int(np.isfinite(one.margins).sum()) >= ROWS_MIN
    }
    found = list(single.values())
    if not together:
        return tuple(found)
    boosters = [single[name] for name in BOOSTERS if name in single]
    if len(boosters) > 1:
        found.append(_mean(ENSEMBLE, [(one, 1.0, 0.0) for one in boosters]))
        boosters = [found[-1]]
    members = boosters + [one for name, one in single.items() if name not in BOOSTERS]
    if len(members) > 1:
        parts = []
        for one in members:
            rows = np.isfinite(one.margins)
            platt = fit_platt(one.margins[rows], y[rows], weights[rows])
            parts.append((one, platt.slope, platt.intercept))
        found.append(_mean(BLEND, parts))
    return tuple(found)


def choose(
    candidates: Sequence[Candidate],
    probabilities: Mapping[str, Floats],
    y: NDArray[np.int8],
    clusters: NDArray[np.int64],
) -> Candidate:
    """Return the mean of all, the first learner where there is none; or who is better than that by
    more than its errors.

    `probabilities` are the candidates' calibrated out-of-fold ones; the one with the greatest gain
    wins among several.
    """
    standard = candidates[-1] if candidates[-1].parts else candidates[0]
    best, best_gain = standard, 0.0
    for one in candidates:
        gain = gain_over(probabilities[one.name], probabilities[standard.name], y, clusters)
        if gain.value > max(CHOICE_ERRORS * gain.error, best_gain):
            best, best_gain = one, gain.value
    return best


def gain_over(
    probability: Floats, other: Floats, y: NDArray[np.int8], clusters: NDArray[np.int64]
) -> Estimate:
    """Return by how much log-loss is lower than another's, where both spoke."""
    rows = np.isfinite(probability) & np.isfinite(other)
    gains = log_losses(y[rows], other[rows]) - log_losses(y[rows], probability[rows])
    return clustered_mean(gains, clusters[rows])


def calibrated(margins: Floats, calibration: Calibration) -> Floats:
    """Return probabilities of margins float64[n], NaN where they are."""
    found = np.full(margins.shape, np.nan)
    rows = np.isfinite(margins)
    found[rows] = calibration.probability(margins[rows])
    return found


def null_probability(margins: Floats, y: NDArray[np.int8], weights: Floats) -> float:
    """Return the base rate where `margins` are known: the null model beside a candidate."""
    rows = np.isfinite(margins)
    return base_rate(y[rows], weights[rows])


def _mean(name: str, parts: Sequence[tuple[Candidate, float, float]]) -> Candidate:
    total: Floats = np.mean([slope * one.margins + shift for one, slope, shift in parts], axis=0)
    return Candidate(name, total, None, tuple(parts))
