"""How much a Sharpe ratio is worth: its error, and its deflation by the trials behind it.

Every Sharpe ratio here is per period, mean / deviation, not annualised (`annual / sqrt(periods
per year)`), and every kurtosis raw: 3 for a normal law. Sources: Mertens (2002) and Lo (2002) for
the error; Bailey and Lopez de Prado (2012) for the probabilistic ratio and the minimum track
record; Bailey and Lopez de Prado (2014) for the expected maximum and the deflated ratio.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from streams.errors import ConfigError

NORMAL_KURTOSIS = 3.0
CONFIDENCE = 0.95

_DECIMALS = 6

Floats = NDArray[np.float64]


class DeflatedSharpe(NamedTuple):
    """`probability` that the true ratio is above `benchmark`, which is what the best of `trials`
    worthless ones is expected to show; per period.
    """

    probability: float
    benchmark: float
    trials: float


def sharpe_error(
    sharpe: float, periods: int, *, skew: float = 0.0, kurtosis: float = NORMAL_KURTOSIS
) -> float:
    """Return the standard error of a Sharpe ratio of `periods` returns.

    Infinite for fewer than two. Raises ConfigError for moments that no law has.

    >>> round(sharpe_error(0.0, 101), 3)
    0.1
    """
    if periods < 2:
        return float("inf")
    return float((_unit_variance(sharpe, skew, kurtosis) / (periods - 1)) ** 0.5)


def probabilistic_sharpe(
    sharpe: float,
    periods: int,
    *,
    benchmark: float = 0.0,
    skew: float = 0.0,
    kurtosis: float = NORMAL_KURTOSIS,
) -> float:
    """Return the probability that the true ratio is above `benchmark`; .5 knows nothing."""
    error = sharpe_error(sharpe, periods, skew=skew, kurtosis=kurtosis)
    return float(ndtr((sharpe - benchmark) / error))


def expected_maximum(trials: float) -> float:
    """Return the expected maximum of `trials` >= 1 independent standard normals.

    Bailey's and Lopez de Prado's approximation, some .025 above the exact integral at 10 to 100.

    >>> [round(expected_maximum(n), 3) for n in (1, 10, 45, 100)]
    [0.0, 1.575, 2.236, 2.531]
    """
    if not 1.0 <= trials < float("inf"):
        raise ConfigError(f"trials must be 1 or more, was {trials}: the result itself is one")
    if trials == 1.0:
        return 0.0
    # With few trials the approximation dips below what one trial has.
    first, second = ndtri(1.0 - 1.0 / trials), ndtri(1.0 - 1.0 / (trials * np.e))
    return max(0.0, float((1.0 - np.euler_gamma) * first + np.euler_gamma * second))


def deflated_sharpe(
    sharpe: float,
    periods: int,
    *,
    trials: float,
    variance: float,
    skew: float = 0.0,
    kurtosis: float = NORMAL_KURTOSIS,
) -> DeflatedSharpe:
    """Return what is left of the best Sharpe ratio of `trials`, this one included.

    `variance` is that of the trials' own Sharpe ratios, per period; it is 0 for a single trial,
    whose deflated ratio is the probabilistic one. Below .95 the result is what a search among
    worthless strategies may well show.
    """
    if not 0.0 <= variance < float("inf"):
        raise ConfigError(f"variance of the trials' Sharpe ratios must be >= 0, was {variance}")
    benchmark = float(variance**0.5) * expected_maximum(trials)
    probability = probabilistic_sharpe(
        sharpe, periods, benchmark=benchmark, skew=skew, kurtosis=kurtosis
    )
    return DeflatedSharpe(probability, benchmark, trials)


def minimum_track_record(
    sharpe: float,
    *,
    benchmark: float = 0.0,
    skew: float = 0.0,
    kurtosis: float = NORMAL_KURTOSIS,
    confidence: float = CONFIDENCE,
) -> float:
    """Return how many periods prove a ratio above `benchmark`; infinite where it is not above.

    >>> round(minimum_track_record(1 / 250**0.5) / 250, 2)
    2.71
    """
    if not 0.5 < confidence < 1.0:
        raise ConfigError(f"confidence must be in (0.5, 1), was {confidence}")
    if sharpe <= benchmark:
        return float("inf")
    unit = _unit_variance(sharpe, skew, kurtosis)
    return float(1.0 + unit * (ndtri(confidence) / (sharpe - benchmark)) ** 2)


def effective_trials(returns: Floats) -> float:
    """Return how many independent trials the columns of `returns` (periods, trials) amount to.

    n² / sum of all squared correlations (the participation ratio of their eigenvalues), of the
    returns in excess of the trials' mean: what all trials share is in no spread between them.
    Ten copies of each of ten strategies are about ten trials; the mean correlation, the rule of
    Bailey and Lopez de Prado (2014), calls them ninety. The squared correlation that chance
    alone makes is taken off. A trial that never varies counts for nothing. At least 1.

    Sharpe ratios are deflated by the count of the ledger, which is never too small; this says
    how far it may be too large.
    """
    rows, count = returns.shape
    if rows < 3 or count < 2:
        return 1.0
    excess = returns - returns.mean(axis=1, keepdims=True)
    excess = excess - excess.mean(axis=0)
    norms = np.sqrt((excess**2).sum(axis=0))
    varies = norms > 1e-9 * max(float(np.abs(returns).max()), 1e-300) * rows**0.5
    if varies.sum() < 2:
        return 1.0
    unit = excess[:, varies] / norms[varies]
    squared = np.minimum((unit.T @ unit) ** 2, 1.0)
    squared = np.maximum(squared - (1.0 - squared) / (rows - 2), 0.0)
    np.fill_diagonal(squared, 1.0)
    # The last digits of a large product depend on the number of threads.
    return max(1.0, round(float(squared.shape[0] ** 2 / squared.sum()), _DECIMALS))


def _unit_variance(sharpe: float, skew: float, kurtosis: float) -> float:
    """The variance of the ratio's estimate, times the number of returns."""
    # Every law has kurtosis >= 1 + skew², which keeps the variance from falling below 0.
    if not kurtosis >= 1.0 + skew**2 - 1e-9:
        raise ConfigError(
            f"kurtosis must be raw, 3 for a normal law, and at least 1 + skew², was {kurtosis} "
            f"with skew {skew}: add 3 to an excess kurtosis"
        )
    return 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
