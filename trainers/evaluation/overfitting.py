"""How much of a model's record its own search may have made.

What is selected among many trials looks good by the selection alone. Two questions are put to it:
whether the trial that was best on one half of the days is above the median on the other (PBO),
and what is left of the Sharpe ratio of what it accepts, given every trial of the ledger. The
third, what became of each fold's selection, is `model_walk_forward`'s.

A day's figure is the sum over the signals of that UTC day, the cluster that all errors here share.
"""

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.errors import DataError
from trainers.research.trial_ledger import EVERY_TRIAL, Among, TrialLedger
from trainers.statistics.pbo import BLOCKS, estimate_pbo
from trainers.statistics.performance import moments_of

PBO_TRIALS_MIN = 5
"""Of fewer the median is one of two or three, and the rank says nothing."""

PBO_BLOCKS_MIN = 8
PBO_BLOCK_DAYS_MIN = 5
SHARPE_DAYS_MIN = 20

DAYS_PER_YEAR = 365.25

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class ModelPbo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As `trainers.statistics.pbo.Overfitting`, without the splits; `days` in `blocks` blocks.

    The figures are None where there is too little to say, and `reason` says what is missing.
    `slope` may be None alone, where the past does not vary.
    """

    trials: int
    days: int
    blocks: int | None
    pbo: float | None
    error: float | None
    low: float | None
    high: float | None
    slope: float | None
    probability_of_loss: float | None
    reason: str | None = None


class ModelDeflated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The Sharpe ratio of daily R, annualised, and the probability that it is above `benchmark`.

    `benchmark`, annualised: what the best of `trials` worthless ones is expected to show. None
    where there are too few days or the daily R does not vary; `reason` says so.
    """

    days: int
    trials: int
    sharpe: float | None
    probability: float | None
    benchmark: float | None
    reason: str | None = None


class DailySums(NamedTuple):
    """`days` int64[d], ascending, and the sums of each, float64[d] or float64[d, trials]."""

    days: Ints
    sums: Floats

    @property
    def per_year(self) -> float:
        """How many such days a year has, from the first to the last; 0 without days."""
        if not self.days.size:
            return 0.0
        years = (int(self.days[-1] - self.days[0]) + 1) / DAYS_PER_YEAR
        return self.days.size / years


def daily_sums(values: Floats, days: Ints) -> DailySums:
    """Return the sums of `values` float64[n] or float64[n, trials] over each of `days` int64[n].

    >>> daily_sums(np.array([1.0, 2.0, 4.0]), np.array([8, 5, 8])).sums.tolist()
    [2.0, 5.0]
    """
    names, day_of = np.unique(days, return_inverse=True)
    sums = np.zeros((names.size, *values.shape[1:]))
    np.add.at(sums, day_of, values)
    return DailySums(names, sums)


def pbo_of(daily_gains: Floats, *, seed: int = 0) -> ModelPbo:
    """Return the PBO of tuning trials, `daily_gains` float64[days, trials].

    A gain of a trial is what it is selected by, on the samples that every trial predicted out of
    fold: of log-loss over the null, or of net R over taking all. Raises DataError for NaN and for
    what is no matrix: leave rows out that a trial did not predict.
    """
    gains = np.asarray(daily_gains, dtype=np.float64)
    if gains.ndim != 2 or not np.isfinite(gains).all():
        raise DataError(
            f"daily_gains must be finite, one column per trial, was of shape {gains.shape} with "
            f"{int((~np.isfinite(gains)).sum())} values that are not: leave samples out that a "
            "trial did not predict"
        )
    days, trials = gains.shape
    blocks = min(BLOCKS, days // PBO_BLOCK_DAYS_MIN // 2 * 2)
    if (why := _why_no_pbo(days, trials, blocks)) is not None:
        return ModelPbo(trials, days, None, None, None, None, None, None, None, why)
    found = estimate_pbo(gains, blocks=blocks, seed=seed)
    return ModelPbo(
        trials=trials,
        days=days,
        blocks=blocks,
        pbo=found.pbo,
        error=found.error,
        low=found.low,
        high=found.high,
        slope=found.slope,
        probability_of_loss=found.probability_of_loss,
    )


def deflated_of(daily: DailySums, ledger: TrialLedger, among: Among = EVERY_TRIAL) -> ModelDeflated:
    """Return what the Sharpe ratio of `daily` R float64[d] is worth among the ledger's trials.

    `daily` are the days on which there was a signal, accepted or not: 0 R on those without an
    accepted one. Record the search's own trials first.
    """
    days, trials = int(daily.days.size), ledger.count(among)
    if days < SHARPE_DAYS_MIN:
        return _no_sharpe(
            days,
            trials,
            f"a Sharpe ratio needs {SHARPE_DAYS_MIN} days with a signal or more, "
            f"was {days}: give a longer history",
        )
    moments = moments_of(daily.sums)
    if moments.sharpe is None or moments.skew is None or moments.kurtosis is None:
        return _no_sharpe(
            days, trials, "the daily R does not vary: nothing is accepted, or all days are alike"
        )
    found = ledger.deflated(
        moments.sharpe, days, skew=moments.skew, kurtosis=moments.kurtosis, among=among
    )
    annual = daily.per_year**0.5
    return ModelDeflated(
        days=days,
        trials=trials,
        sharpe=moments.sharpe * annual,
        probability=found.probability,
        benchmark=found.benchmark * annual,
    )


def _no_sharpe(days: int, trials: int, reason: str) -> ModelDeflated:
    return ModelDeflated(days, trials, None, None, None, reason)


def _why_no_pbo(days: int, trials: int, blocks: int) -> str | None:
    if trials < PBO_TRIALS_MIN:
        return f"a PBO needs {PBO_TRIALS_MIN} trials or more, was {trials}: let the search try more"
    if blocks < PBO_BLOCKS_MIN:
        needed = PBO_BLOCKS_MIN * PBO_BLOCK_DAYS_MIN
        return (
            f"a PBO needs {needed} days with predictions or more, was {days}: give a longer history"
        )
    return None
