"""The same figures period by period: one good year carries many a bad one."""

import msgspec

from trainers.evaluation.figure import Figure

PERIODS_MAX = 400


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
