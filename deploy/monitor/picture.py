"""One picture of a run, as plain values: what the terminal draws and `--json` prints.

Times named `_ts` are UTC nanoseconds of event time; what is not known is None.
"""

import msgspec

from deploy.survey import RoleLine
from trainers.evaluation.figure import Figure


class DetectorLine(msgspec.Struct, frozen=True):
    """A detector on the model in force. `share` is statistic / threshold: it alarms at 1.

    `level`: "", warning or detected; once detected, it stays so for this model.
    """

    detector: str
    channel: str
    statistic: float
    threshold: float
    share: float | None
    level: str


class Scores(msgspec.Struct, frozen=True):
    """What a model's probabilities were worth, over its matured outcomes.

    `observed` is the hit rate beside `expected`, the mean probability, and `miss` the first minus
    the second; errors and intervals are clustered by day. `ece_perfect` is what a perfect model's
    expected calibration error would be at this number of outcomes, and one in twenty exceeds
    `ece_perfect_95`.
    """

    outcomes: int
    auc: Figure
    expected: float | None
    observed: Figure
    miss: Figure
    ece: float | None
    ece_perfect: float | None
    ece_perfect_95: float | None


class ModelLine(msgspec.Struct, frozen=True):
    """A model of a strategy: `place` is in_force, coming, canary, shadow or refused.

    `share` of the signals. `symbol` None: for all of them. `age_s` is counted in event time, from
    `effective_ts` on. `refused`: it should be in force or canary, and this is why the scorers do
    not let it speak.
    """

    version: str
    symbol: str | None
    place: str
    share: float
    effective_ts: int
    age_s: float | None
    pinned: bool = False
    refused: str = ""


class StrategyPicture(msgspec.Struct, frozen=True):
    """One strategy. `model` is in force for it, "" where nobody speaks.

    `outcomes_since_alarm` counts those judged since the last detection on ranking or calibration,
    all of them where none was. `has_reference`: the detectors have begun. From `changepoint_ts` on,
    0 while the model ranks, there are `outcomes_since_change` to learn from.
    """

    strategy: str
    model: str
    models: tuple[ModelLine, ...]
    policy: str
    policy_why: str
    scores: Scores
    has_reference: bool
    detectors: tuple[DetectorLine, ...]
    changepoint_ts: int
    outcomes_since_change: int
    outcomes_since_alarm: int
    last_alarm_ts: int | None
    requests_waiting: int

    @property
    def in_force(self) -> ModelLine | None:
        """The model that counts for every symbol that has none of its own."""
        found = (one for one in self.models if one.place == "in_force" and one.symbol is None)
        return next(found, None)

    @property
    def level(self) -> str:
        """The worst level of its detectors."""
        levels = {one.level for one in self.detectors}
        return next((level for level in ("detected", "warning") if level in levels), "")


class EventLine(msgspec.Struct, frozen=True):
    """Something that happened, in words. `ts` is event time, 0 where it is of none."""

    ts: int
    wall_ts: int
    strategy: str
    kind: str
    text: str


class Picture(msgspec.Struct, frozen=True):
    """Everything at one moment. `drift_from` says where the statistics of drift come from."""

    url: str
    event_ts: int
    roles: tuple[RoleLine, ...]
    strategies: tuple[StrategyPicture, ...]
    events: tuple[EventLine, ...]
    drift_from: str
