"""What a strategy's model lacks, and the request that is due for it.

forced       a person wants a model now; no cooldown keeps it waiting
no_model     there is none; as the drift monitor asks: a cooldown keeps it waiting, and what
             fails to come of it changes no policy
refresh:     a drift of the ranking channel stands: train again from its changepoint, which goes
             on with the same account of alpha that the alarm began
calibration: one of the calibration channel stands
schedule     the model is older than `ml.max_age_days`
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from deploy.config import RunSettings
from deploy.learning.standing_drift import StandingDrift
from deploy.operations.model_shelf import ModelLine
from engine.drift.drift_budget import RANKING
from engine.drift.relearning import NO_MODEL, RECALIBRATE, RETRAIN
from engine.settings import StrategySettings
from streams import codec, subjects
from streams.bus import Bus
from streams.events import Retrain

REQUESTED_BY = "learn"
FORCED, SCHEDULE = "forced", "schedule"
ID_CHARACTERS = 16


class Need(NamedTuple):
    """A request without its time."""

    strategy: str
    symbol: str | None
    action: str
    reason: str
    since_ts: int = 0
    model: str = ""

    def request(self, ts: int) -> Retrain:
        """Return it as of event time `ts`. Its id is a digest: asked twice is asked once."""
        parts = (self.strategy, self.symbol or "", self.model, str(ts), self.action, self.reason)
        digest = hashlib.sha256("\n".join((REQUESTED_BY, *parts)).encode()).hexdigest()
        since_ts = min(self.since_ts, ts) if ts else self.since_ts
        return Retrain(
            f"{REQUESTED_BY}-{digest[:ID_CHARACTERS]}",
            self.strategy,
            self.symbol,
            self.reason,
            since_ts,
            REQUESTED_BY,
            ts,
            self.action,
            self.model,
        )


def needs_of(
    strategy: StrategySettings,
    models: Iterable[ModelLine],
    standing: Sequence[StandingDrift],
    *,
    forced: bool,
) -> list[Need]:
    """Return what is due for a strategy; `models` with their ages, and drifts, may be of others."""
    name = strategy.name
    own = [line for line in models if line.strategy == name]
    drifts = [one for one in standing if one.strategy == name]
    alarms = [one for one in drifts if one.channel == RANKING]
    if forced:
        since_ts = alarms[0].changepoint_ts if alarms else 0
        return [Need(name, None, RETRAIN, FORCED, since_ts)]
    found: dict[str, Need] = {}
    for one in (*alarms, *drifts):
        is_alarm = one.channel == RANKING
        action = RETRAIN if is_alarm else RECALIBRATE
        reason = f"{'refresh' if is_alarm else 'calibration'}:{one.detector}"
        need = Need(name, None, action, reason, one.changepoint_ts, one.model)
        found.setdefault(one.model, need)
    has_model = strategy.ml.model_path or any(m.symbol is None and m.digest for m in own)
    if not has_model:
        found[""] = Need(name, None, RETRAIN, NO_MODEL)
    for line in own:
        if line.is_expired and line.digest:
            need = Need(name, line.symbol, RETRAIN, SCHEDULE, 0, line.version)
            found.setdefault(line.version, need)
    return list(found.values())


def max_ages(settings: RunSettings) -> dict[str, float | None]:
    """Return `ml.max_age_days` by strategy."""
    return {one.name: one.ml.max_age_days for one in settings.strategies}


async def ask(bus: Bus, request: Retrain) -> None:
    """Put a request into the queue."""
    subject = subjects.retrain(request.strategy)
    await bus.publish(subject, codec.encode(request), msg_id=request.request_id)
