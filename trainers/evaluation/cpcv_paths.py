"""Combinatorial purged cross-validation as a distribution: one history, many backtest paths.

The paths share their outcomes and most of their training rows. Their spread is that of the
training, not a standard error.
"""

import msgspec


class PathDistribution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One figure over the paths, in their order.

    `share_below_null`: of the paths on which it is at or below `null`, what a model that knows
    nothing shows; those that are level count half. None without a path that has a value;
    `reason` says why.
    """

    null: float
    values: tuple[float, ...]
    median: float | None
    lower_quartile: float | None
    upper_quartile: float | None
    share_below_null: float | None
    reason: str | None = None


class CpcvFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By path: AUC, gain in log-loss over the null (nats), and net R per signal of taking the
    accepted less taking all; `utility_gain_r` is None without a threshold.
    """

    paths: int
    samples: int
    auc: PathDistribution
    log_loss_gain: PathDistribution
    utility_gain_r: PathDistribution | None
