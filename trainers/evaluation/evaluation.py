"""All that the outcomes say of a model's probabilities, beside a model that knows nothing."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.errors import ConfigError, DataError
from trainers.dataset import Dataset
from trainers.evaluation.acceptance import Acceptance, acceptance
from trainers.evaluation.brier import Brier, brier
from trainers.evaluation.equity_paths import EquityPaths, equity_paths
from trainers.evaluation.figure import Figure, auc_figure, mean_figure, share_figure
from trainers.evaluation.period_figures import PeriodFigures, period_figures
from trainers.evaluation.reliability import Reliability, reliability
from trainers.evaluation.threshold_curve import ThresholdCurve, threshold_curve
from trainers.metrics import log_losses

SEED = 7

Floats = NDArray[np.float64]


class Evaluation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What n outcomes say of the probabilities that were told for them.

    `from_ts`, `to_ts`: of the signals, UTC ns. `silent` of the samples had no probability of the
    model's and count as the null's. `log_loss_gain`: null - model, nats per outcome, above 0 where
    the model is better. `acceptance` and `equity` are None where there is no threshold, `equity`
    also without outcomes. Every `Figure` says why where it is not defined.
    """

    samples: int
    days: int
    positives: int
    silent: int
    from_ts: int | None
    to_ts: int | None
    base_rate: Figure
    null_probability: float | None
    auc: Figure
    log_loss: float | None
    log_loss_null: float | None
    log_loss_gain: Figure
    brier: Brier
    reliability: Reliability
    threshold: float | None
    acceptance: Acceptance | None
    curve: ThresholdCurve
    equity: EquityPaths | None
    periods: tuple[PeriodFigures, ...]


def evaluate(
    outcomes: Dataset,
    probability: Floats,
    *,
    null_probability: float | Floats,
    threshold: float | None = None,
    periods: NDArray[np.str_] | None = None,
    seed: int = SEED,
) -> Evaluation:
    """Judge `probability` float64[n] in [0, 1], NaN where the model is silent.

    `null_probability`: the base rate of the training samples, one number or one per outcome. A
    signal is accepted from `threshold` on; None where the strategy accepts everything. `periods`
    as in `period_figures`. `seed` draws the random acceptances.

    Raises DataError for columns of other lengths, labels that are not 0 or 1, and figures that
    are no numbers; ConfigError for a threshold outside [0, 1].
    """
    null = checked_probability("null_probability", null_probability, len(outcomes))
    told = checked_probability("probability", probability, len(outcomes), may_be_silent=True)
    check_outcomes(outcomes)
    _check_threshold(threshold)
    silent = np.isnan(told)
    told = np.where(silent, null, told)
    y, days = outcomes.y, outcomes.days
    own, constant = log_losses(y, told), log_losses(y, null)
    return Evaluation(
        samples=len(outcomes),
        days=int(np.unique(days).size),
        positives=int(y.sum()),
        silent=int(silent.sum()),
        from_ts=int(outcomes.ts.min()) if y.size else None,
        to_ts=int(outcomes.ts.max()) if y.size else None,
        base_rate=share_figure(y == 1, days),
        null_probability=_mean(null),
        auc=auc_figure(y, told, days),
        log_loss=_mean(own),
        log_loss_null=_mean(constant),
        log_loss_gain=mean_figure(constant - own, days),
        brier=brier(y, told, null, days),
        reliability=reliability(y, told, days, seed=seed),
        threshold=threshold,
        acceptance=None if threshold is None else acceptance(outcomes, told, threshold),
        curve=threshold_curve(outcomes, told),
        equity=None if threshold is None else equity_paths(outcomes, told, threshold, seed=seed),
        periods=period_figures(outcomes, told, null, threshold, periods),
    )


def checked_probability(
    name: str, value: float | Floats, count: int, *, may_be_silent: bool = False
) -> Floats:
    """Return `value` as float64[count]; raises DataError where it is no probability.

    `may_be_silent`: NaN is let through.
    """
    given = np.asarray(value, dtype=np.float64)
    if given.ndim and given.shape != (count,):
        raise DataError(
            f"{name} must be one number for each of {count} outcomes, was of shape {given.shape}"
        )
    column: Floats = np.broadcast_to(given, (count,))
    wrong = ~((column >= 0.0) & (column <= 1.0))
    if may_be_silent:
        wrong &= ~np.isnan(column)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(f"{name} must be in [0, 1], was {column[row]} in row {row}")
    return column


def check_outcomes(outcomes: Dataset) -> None:
    """Raise DataError for labels that are not 0 or 1, and for R that is no finite number."""
    wrong = np.flatnonzero((outcomes.y != 0) & (outcomes.y != 1))
    if wrong.size:
        raise DataError(
            f"labels must be 0 or 1, was {outcomes.y[wrong[0]]} for signal "
            f"{outcomes.signal_ids[wrong[0]]} ({wrong.size} of {len(outcomes)} rows): leave open "
            "signals out"
        )
    wrong = np.flatnonzero(~np.isfinite(outcomes.r_multiple))
    if wrong.size:
        raise DataError(
            f"r_multiple must be finite, was {outcomes.r_multiple[wrong[0]]} for signal "
            f"{outcomes.signal_ids[wrong[0]]} ({wrong.size} of {len(outcomes)} rows): leave out "
            "trades that are open or whose risk is no figure"
        )


def _check_threshold(threshold: float | None) -> None:
    if threshold is not None and not 0.0 <= threshold <= 1.0:
        raise ConfigError(f"threshold must be in [0, 1], was {threshold}")


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if values.size else None
