"""Walk-forward of models: what each fold's selection had seen, and what became of it.

The past of a fold is what its configuration was selected by: the out-of-fold predictions within
its training span, never those of rows that it was fitted on, which look good for any model. The
future is the fold's own test rows. Efficiency is the mean of the futures over that of the pasts,
worth reporting and above .4 by convention; what decides is the t-statistic of the stitched
futures, which no fit has seen. Whether a choice has is the caller's to say.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from trainers.dataset import Dataset
from trainers.evaluation.figure import NO_OUTCOMES, ONE_DAY, missing_class
from trainers.evaluation.overfitting import DAYS_PER_YEAR
from trainers.metrics import auc, clustered_mean, log_losses
from trainers.statistics.walk_forward import efficiency_of

NOT_ABOVE_ZERO = "the pasts' mean is not above 0: there is nothing that could have lasted"
NO_SPREAD = "the stitched gains do not vary"
NO_PAST = "a fold has no past: nothing was selected by it"

Floats = NDArray[np.float64]


class Told(NamedTuple):
    """n outcomes, and what was told of them beforehand by a model and by its null."""

    outcomes: Dataset
    probability: Floats
    null: Floats

    def gains(self) -> Floats:
        """Return what the model saved of log-loss over its null, nats, float64[n]."""
        y = self.outcomes.y
        return log_losses(y, self.null) - log_losses(y, self.probability)

    def utility_gains(self, threshold: float | None) -> Floats:
        """Return the net R of taking the accepted less that of taking all, float64[n]."""
        if threshold is None:
            return np.zeros(len(self.outcomes))
        accepted = self.probability >= threshold
        return np.where(accepted, 0.0, -self.outcomes.r_multiple)


class FoldTold(NamedTuple):
    """One fold: `threshold` was chosen on its `past`; None where everything is accepted."""

    name: str
    past: Told
    future: Told
    threshold: float | None


class ModelFold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fold: what its selection had seen (`past`), and what became of it (`future`).

    UTC dates of the future's first and last signal. `*_auc`, None where a class is missing;
    `*_log_loss_gain` over the null, nats per outcome; `*_utility_gain_r`, net R per year of
    taking the accepted less taking all. None without outcomes.
    """

    name: str
    first: str | None
    last: str | None
    past_samples: int
    future_samples: int
    past_auc: float | None
    future_auc: float | None
    past_log_loss_gain: float | None
    future_log_loss_gain: float | None
    past_utility_gain_r: float | None
    future_utility_gain_r: float | None


class ModelWalkForward(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The folds, and what they say together.

    `efficiency`: the mean annualised utility gain of the futures over that of the pasts, each a
    mean over the folds that have both; `auc_efficiency` the same of AUC - 1/2,
    `log_loss_efficiency` of the gain in log-loss per outcome. None where the pasts' mean is not
    above 0. `utility_t` and `log_loss_t`: of the mean gains of all futures stitched together,
    clustered by day. `reasons` by the names of the fields that are None.
    """

    folds: tuple[ModelFold, ...]
    efficiency: float | None
    auc_efficiency: float | None
    log_loss_efficiency: float | None
    utility_t: float | None
    log_loss_t: float | None
    reasons: dict[str, str]


def model_walk_forward(folds: Sequence[FoldTold]) -> ModelWalkForward:
    """Return the figures of `folds`, in time order, whose futures share no outcome."""
    found = tuple(_fold(fold) for fold in folds)
    reasons: dict[str, str] = {}

    def efficiency(
        name: str, past: Sequence[float | None], future: Sequence[float | None]
    ) -> float | None:
        pairs = [
            (before, after)
            for before, after in zip(past, future, strict=True)
            if before is not None and after is not None
        ]
        value = efficiency_of([before for before, _ in pairs], [after for _, after in pairs])
        if value is None:
            reasons[name] = NOT_ABOVE_ZERO if pairs else NO_PAST
        return value

    def t_statistic(name: str, gains: Sequence[Floats]) -> float | None:
        value, why = _t_statistic(gains, [fold.future.outcomes.days for fold in folds])
        if why is not None:
            reasons[name] = why
        return value

    return ModelWalkForward(
        folds=found,
        efficiency=efficiency(
            "efficiency",
            [fold.past_utility_gain_r for fold in found],
            [fold.future_utility_gain_r for fold in found],
        ),
        auc_efficiency=efficiency(
            "auc_efficiency",
            [_edge(fold.past_auc) for fold in found],
            [_edge(fold.future_auc) for fold in found],
        ),
        log_loss_efficiency=efficiency(
            "log_loss_efficiency",
            [fold.past_log_loss_gain for fold in found],
            [fold.future_log_loss_gain for fold in found],
        ),
        utility_t=t_statistic(
            "utility_t", [fold.future.utility_gains(fold.threshold) for fold in folds]
        ),
        log_loss_t=t_statistic("log_loss_t", [fold.future.gains() for fold in folds]),
        reasons=reasons,
    )


def _fold(fold: FoldTold) -> ModelFold:
    ts = fold.future.outcomes.ts
    return ModelFold(
        name=fold.name,
        first=_date(ts.min()) if ts.size else None,
        last=_date(ts.max()) if ts.size else None,
        past_samples=len(fold.past.outcomes),
        future_samples=len(fold.future.outcomes),
        past_auc=_auc(fold.past),
        future_auc=_auc(fold.future),
        past_log_loss_gain=_mean(fold.past.gains()),
        future_log_loss_gain=_mean(fold.future.gains()),
        past_utility_gain_r=_yearly_utility(fold.past, fold.threshold),
        future_utility_gain_r=_yearly_utility(fold.future, fold.threshold),
    )


def _date(ts: np.int64) -> str:
    return str(ts.astype("datetime64[ns]").astype("datetime64[D]"))


def _yearly_utility(told: Told, threshold: float | None) -> float | None:
    days = told.outcomes.days
    if not days.size:
        return None
    years = (int(days.max() - days.min()) + 1) / DAYS_PER_YEAR
    return float(told.utility_gains(threshold).sum()) / years


def _auc(told: Told) -> float | None:
    y = told.outcomes.y
    return None if missing_class(y) is not None else auc(y, told.probability)


def _edge(area: float | None) -> float | None:
    return None if area is None else area - 0.5


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if values.size else None


def _t_statistic(
    gains: Sequence[Floats], days: Sequence[NDArray[np.int64]]
) -> tuple[float | None, str | None]:
    """The t-statistic of the stitched gains, or why there is none."""
    if not sum(one.size for one in gains):
        return None, NO_OUTCOMES
    stitched = clustered_mean(np.concatenate(gains), np.concatenate(days))
    if stitched.clusters < 2:
        return None, ONE_DAY
    if stitched.error <= 1e-12 * abs(stitched.value):
        return None, NO_SPREAD
    return stitched.value / stitched.error, None
