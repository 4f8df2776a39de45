"""Where the drift monitor stands, for whoever looks at it."""

import msgspec


class DetectorState(msgspec.Struct, frozen=True):
    """One detector on one model: `has_detected` for the life of its watch."""

    detector: str
    channel: str
    statistic: float
    threshold: float
    is_warning: bool
    has_detected: bool


class WatchState(msgspec.Struct, frozen=True):
    """One model of one strategy.

    `outcomes` are those judged; there are `detectors` from `has_reference` on. `changepoint_ts`
    is 0 while the model ranks. `outcomes_since_change` counts what the strategy has to learn
    from, whichever model spoke; 0 where no drift is being learned.
    """

    strategy: str
    model: str
    outcomes: int
    has_reference: bool
    detectors: tuple[DetectorState, ...]
    changepoint_ts: int
    outcomes_since_change: int
