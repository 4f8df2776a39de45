"""How much of a model's record its own search may have made.

What is selected among many trials looks good by the selection alone. Three questions are put to
it: whether the trial that was best on one half of the days is above the median on the other (PBO);
what is left of the Sharpe ratio of the trades it accepts, given every trial of the ledger; and
what became, fold by fold, of what was selected on the past (walk-forward).
"""

import msgspec


class ModelPbo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As `trainers.statistics.pbo.Overfitting`, without the splits; `days` in `blocks` blocks.

    The figures are None where there is too little to say, and `reason` says what is missing.
    `reason` is also given where only `slope` is None.
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
    where the daily R does not vary or is too short; `reason` says so.
    """

    days: int
    trials: int
    sharpe: float | None
    probability: float | None
    benchmark: float | None
    reason: str | None = None


class ModelFold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fold: what its selection had seen (`past`), and what became of it (`future`).

    Dates of the future's first and last signal. `*_auc`, None where a class is missing;
    `*_log_loss_gain` over the null, nats per outcome; `*_utility_gain_r`, annualised net R of
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
    mean over the folds; `auc_efficiency` the same of AUC - 1/2; `log_loss_efficiency` of the gain
    in log-loss. None where the pasts' mean is not above 0. `utility_t` and `log_loss_t`: of the
    mean gains of all futures stitched together, clustered by day. `reasons` by field name.
    """

    folds: tuple[ModelFold, ...]
    efficiency: float | None
    auc_efficiency: float | None
    log_loss_efficiency: float | None
    utility_t: float | None
    log_loss_t: float | None
    reasons: dict[str, str]
