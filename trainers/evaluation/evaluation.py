"""All that the outcomes say of a model's probabilities, beside a model that knows nothing."""

import msgspec

from trainers.evaluation.acceptance import Acceptance
from trainers.evaluation.brier import Brier
from trainers.evaluation.equity_paths import EquityPaths
from trainers.evaluation.figure import Figure
from trainers.evaluation.period_figures import PeriodFigures
from trainers.evaluation.reliability import Reliability
from trainers.evaluation.threshold_curve import ThresholdCurve


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
