"""Combinatorial purged cross-validation as a distribution: one history, many backtest paths.

The paths share their outcomes and most of their training rows: their spread is that of the
training, not a standard error.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.errors import DataError
from trainers.dataset import Dataset
from trainers.evaluation.evaluation import check_outcomes, checked_probability
from trainers.evaluation.figure import NO_OUTCOMES, missing_class
from trainers.metrics import auc, log_losses

NO_PATHS = "there are no paths"

Floats = NDArray[np.float64]


class PathDistribution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One figure over the paths, in their order.

    `share_below_null`: of the paths on which it is below `null`, what a model that knows nothing
    shows; those that are level count half. None where no path has a value; `reason` says why.
    """

    null: float
    values: tuple[float, ...]
    median: float | None
    lower_quartile: float | None
    upper_quartile: float | None
    share_below_null: float | None
    reason: str | None = None


class CpcvFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By path: AUC, gain in log-loss over the null (nats per outcome), and net R per signal of
    taking the accepted less taking all; `utility_gain_r` is None without a threshold.
    """

    paths: int
    samples: int
    auc: PathDistribution
    log_loss_gain: PathDistribution
    utility_gain_r: PathDistribution | None


def cpcv_figures(
    outcomes: Dataset,
    paths: Floats,
    *,
    null_probability: float | Floats,
    threshold: float | None = None,
) -> CpcvFigures:
    """Return the distributions of `paths` float64[p, n], as `CombinatorialPurged.paths` gives them.

    NaN where a split did not predict: the null speaks there, which is `null_probability`, one
    number, one per outcome or one per path and outcome. Raises DataError as `evaluate` does.
    """
    count = len(outcomes)
    if paths.ndim != 2 or paths.shape[1] != count:
        raise DataError(
            f"paths must have one column for each of {count} outcomes, were of shape {paths.shape}"
        )
    check_outcomes(outcomes)
    nulls = np.broadcast_to(np.asarray(null_probability, dtype=np.float64), paths.shape)
    areas, gains, utilities = [], [], []
    for given, null_given in zip(paths, nulls, strict=True):
        null = checked_probability("null_probability", null_given, count)
        told = checked_probability("paths", given, count, may_be_silent=True)
        told = np.where(np.isnan(told), null, told)
        areas.append(auc(outcomes.y, told))
        losses = log_losses(outcomes.y, null) - log_losses(outcomes.y, told)
        gains.append(float(losses.mean()) if count else 0.0)
        if threshold is not None and count:
            refused = told < threshold
            utilities.append(-float(outcomes.r_multiple[refused].sum()) / count)
    empty = None if count else NO_OUTCOMES
    return CpcvFigures(
        paths=len(paths),
        samples=count,
        auc=_distribution(areas, 0.5, missing_class(outcomes.y)),
        log_loss_gain=_distribution(gains, 0.0, empty),
        utility_gain_r=None if threshold is None else _distribution(utilities, 0.0, empty),
    )


def _distribution(values: Sequence[float], null: float, why_none: str | None) -> PathDistribution:
    if why_none is None and not values:
        why_none = NO_PATHS
    if why_none is not None:
        return PathDistribution(null, (), None, None, None, None, why_none)
    column = np.array(values)
    low, middle, high = np.quantile(column, (0.25, 0.5, 0.75)).tolist()
    below = float(np.mean(column < null) + np.mean(column == null) / 2.0)
    return PathDistribution(null, tuple(values), middle, low, high, below)
