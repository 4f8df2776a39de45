"""How a learner is tuned: how many trials, and when one is worth its choice."""

from typing import Annotated

import msgspec

TRIALS = 100
TRIALS_MAX = 10_000
STARTUP_TRIALS = 10
WORKERS_MAX = 256


class TuningSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`trials`, the default hyperparameters being the first; 1 tunes nothing.

    The first `startup_trials` are random. With `prune`, a trial behind three quarters of those
    before it is given up. What the search proposes replaces the default where its gain over it is
    above `improvement_errors` of its standard errors, clustered by day. `workers` are threads: the
    result does not depend on them.
    """

    trials: Annotated[int, msgspec.Meta(ge=1, le=TRIALS_MAX)] = TRIALS
    startup_trials: Annotated[int, msgspec.Meta(ge=1)] = STARTUP_TRIALS
    prune: bool = True
    improvement_errors: Annotated[float, msgspec.Meta(ge=0.0)] = 1.0
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 7
    workers: Annotated[int, msgspec.Meta(ge=1, le=WORKERS_MAX)] = 2
