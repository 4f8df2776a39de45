"""The same figures period by period: one good year carries many a bad one."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.errors import DataError
from trainers.dataset import Dataset
from trainers.evaluation.acceptance import utility_gain
from trainers.evaluation.figure import Figure, auc_figure, mean_figure, share_figure, unknown
from trainers.metrics import log_losses

PERIODS_MAX = 400
ALL_ACCEPTED = "there is no threshold: every signal is accepted"

Floats = NDArray[np.float64]
Words = NDArray[np.str_]


class PeriodFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The outcomes of one period. `utility_gain_r` as in `Acceptance`."""

    period: str
    samples: int
    days: int
    base_rate: Figure
    auc: Figure
    log_loss_gain: Figure
    mean_r: Figure
    utility_gain_r: Figure


def period_figures(
    outcomes: Dataset,
    probability: Floats,
    null: Floats,
    threshold: float | None,
    periods: Words | None = None,
) -> tuple[PeriodFigures, ...]:
    """Return the figures of each period, by its first signal.

    `periods` str[n] names the period of each outcome; the UTC years of the signals without it.
    Raises DataError for more than PERIODS_MAX of them.
    """
    named = years_of(outcomes.ts) if periods is None else periods
    names, firsts = np.unique(named, return_index=True)
    if names.size > PERIODS_MAX:
        raise DataError(
            f"periods must be at most {PERIODS_MAX}, were {names.size}: give years or folds"
        )
    return tuple(
        _period(
            str(name),
            outcomes.take(rows),
            probability[rows],
            null[rows],
            threshold,
        )
        for name in names[np.argsort(firsts)]
        for rows in (np.flatnonzero(named == name),)
    )


def years_of(ts: NDArray[np.int64]) -> Words:
    """Return the UTC year of each instant, str[n].

    >>> years_of(np.array([0, 1_577_836_800_000_000_000])).tolist()
    ['1970', '2020']
    """
    return ts.astype("datetime64[ns]").astype("datetime64[Y]").astype(np.str_)


def _period(
    name: str, outcomes: Dataset, probability: Floats, null: Floats, threshold: float | None
) -> PeriodFigures:
    y, days = outcomes.y, outcomes.days
    gains = log_losses(y, null) - log_losses(y, probability)
    return PeriodFigures(
        period=name,
        samples=len(outcomes),
        days=int(np.unique(days).size),
        base_rate=share_figure(y == 1, days),
        auc=auc_figure(y, probability, days),
        log_loss_gain=mean_figure(gains, days),
        mean_r=mean_figure(outcomes.r_multiple, days),
        utility_gain_r=(
            unknown(ALL_ACCEPTED)
            if threshold is None
            else utility_gain(outcomes, probability, threshold)
        ),
    )
