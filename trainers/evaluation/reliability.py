"""Whether probabilities mean what they say.

Slope, intercept and level: see `calibration_line`. Bins hold equally many outcomes, and equal
probabilities share a bin.

The expected calibration error is above 0 for a perfect model too, by chance alone: .07 of 300
outcomes in 10 bins. It is told beside what a perfect model shows at this number of outcomes.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from trainers.evaluation.calibration_line import calibration_line
from trainers.evaluation.figure import Figure, share_figure

BINS = 10
PERFECT_DRAWS = 2_000
_PERFECT_QUANTILE = 0.95

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class ReliabilityBin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The outcomes of one bin: what was foretold on average, and the share that came true.

    The share's interval is clustered by day.
    """

    samples: int
    lowest: float
    highest: float
    foretold: float
    came_true: Figure


class Reliability(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How reliable the probabilities are; `ece` over the bins.

    `ece_perfect` is the expectation of a perfect model's, `ece_perfect_95` what one in twenty
    perfect models exceeds, both were outcomes independent.
    """

    slope: Figure
    intercept: Figure
    level: Figure
    ece: float | None
    ece_perfect: float | None
    ece_perfect_95: float | None
    bins: tuple[ReliabilityBin, ...]


def reliability(y: NDArray[np.int8], probability: Floats, days: Ints, *, seed: int) -> Reliability:
    """Return how reliable `probability` is, float64[n] in [0, 1]."""
    slope, intercept, level = calibration_line(y, probability, days)
    bin_of = equal_bins(probability)
    bins = tuple(
        _bin(y[rows], probability[rows], days[rows])
        for rows in (bin_of == number for number in range(int(bin_of.max(initial=-1)) + 1))
    )
    perfect = _perfect_errors(probability, bin_of, seed) if y.size else None
    return Reliability(
        slope=slope,
        intercept=intercept,
        level=level,
        ece=_ece(y, probability, bin_of) if y.size else None,
        ece_perfect=perfect[0] if perfect else None,
        ece_perfect_95=perfect[1] if perfect else None,
        bins=bins,
    )


def equal_bins(probability: Floats, bins: int = BINS) -> Ints:
    """Return the bin of each probability, int64[n], from 0 for the lowest; none is empty.

    >>> equal_bins(np.array([0.1, 0.4, 0.4, 0.4, 0.6, 0.9]), bins=3).tolist()
    [0, 1, 1, 1, 2, 2]
    """
    ordered = np.sort(probability)
    cuts = np.unique(ordered[np.arange(1, bins) * ordered.size // bins]) if ordered.size else ()
    placed = np.searchsorted(cuts, probability, side="right")
    _, bin_of = np.unique(placed, return_inverse=True)
    return bin_of.astype(np.int64)


def _bin(y: NDArray[np.int8], probability: Floats, days: Ints) -> ReliabilityBin:
    return ReliabilityBin(
        samples=int(y.size),
        lowest=float(probability.min()),
        highest=float(probability.max()),
        foretold=float(probability.mean()),
        came_true=share_figure(y == 1, days),
    )


def _ece(y: NDArray[np.int8], probability: Floats, bin_of: Ints) -> float:
    missed = np.bincount(bin_of, weights=y - probability)
    return float(np.abs(missed).sum()) / y.size


def _perfect_errors(probability: Floats, bin_of: Ints, seed: int) -> tuple[float, float]:
    """What the error is of outcomes drawn by the probabilities: expectation and 95 % point.

    What a bin then misses is nearly normal, with the variance of its outcomes.
    """
    deviations = np.sqrt(np.bincount(bin_of, weights=probability * (1.0 - probability)))
    deviations /= probability.size
    drawn = np.random.default_rng(seed).standard_normal((PERFECT_DRAWS, deviations.size))
    errors = np.abs(drawn) @ deviations
    expected = float((2.0 / np.pi) ** 0.5 * deviations.sum())
    return expected, float(np.quantile(errors, _PERFECT_QUANTILE))
