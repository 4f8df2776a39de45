"""How a strategy is optimised: what is maximised, on which days, over which ranges."""

from datetime import date
from typing import Annotated, Any

import msgspec

TRIALS = 50
TRIALS_QUICK = 20
TRIALS_MAX = 100_000
FOLDS_MAX = 100

Share = Annotated[float, msgspec.Meta(ge=0.05, le=0.6)]


class OptimiseSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `optimize` key of a run file.

    The days are cut into train, validation and holdout, in this order: the last two begin on
    `validation_start` and `holdout_start`, or are the given shares of all days. `folds` is into
    how many parts walk-forward cuts the validation; a trial that closes fewer than `trades_min`
    trades on the train days is worth the objective's worst. `ranges` narrows what a strategy and
    the portfolio declare: `[low, high]`, a list of choices, or one value.
    """

    objective: str = "sharpe_ratio"
    trials: Annotated[int, msgspec.Meta(ge=1, le=TRIALS_MAX)] = TRIALS
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0
    validation_start: date | None = None
    holdout_start: date | None = None
    validation_fraction: Share = 0.2
    holdout_fraction: Share = 0.2
    folds: Annotated[int, msgspec.Meta(ge=2, le=FOLDS_MAX)] = 5
    trades_min: Annotated[int, msgspec.Meta(ge=1)] = 30
    ranges: dict[str, Any] = {}
