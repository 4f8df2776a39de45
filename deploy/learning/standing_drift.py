"""Which drifts stand: detected on a model that is in force, and not recovered from since."""

import msgspec

from deploy.recorded import recorded
from engine.drift_budget import CALIBRATION, RANKING
from engine.drift_words import CANARY_DETAIL
from engine.model_watch import DETECTED, RECOVERED
from models.registry import Registry
from streams import subjects, topology
from streams.bus import Bus
from streams.events import Drift


class StandingDrift(msgspec.Struct, frozen=True):
    """What a detector said of a model in force. `changepoint_ts` as it was estimated then."""

    strategy: str
    model: str
    channel: str
    detector: str
    changepoint_ts: int
    ts: int


async def standing_drifts(bus: Bus, strategy: str | None = None) -> list[StandingDrift]:
    """Return them by strategy and time, of one strategy or of all.

    As the drift role has said it: an alarm that a promotion has answered stands no more. Where
    no model was ever put in force, one of `ml.model_path` speaks, and counts.
    """
    wanted = subjects.DRIFT if strategy is None else subjects.drift(strategy)
    latest: dict[tuple[str, str, str], Drift] = {}
    for one in await recorded(bus, topology.DRIFT, (wanted,)):
        said = one.event
        if not isinstance(said, Drift) or said.channel not in (RANKING, CALIBRATION):
            continue
        if said.level not in (DETECTED, RECOVERED) or said.detail == CANARY_DETAIL:
            continue
        latest[said.strategy, said.model or "", said.detector] = said
    in_force: dict[str, set[str]] = {}
    for pointer in await Registry(bus).pointers():
        in_force.setdefault(pointer.strategy, set()).add(pointer.current.version)
    found = [
        StandingDrift(
            one.strategy, one.model or "", one.channel, one.detector, one.changepoint_ts, one.ts
        )
        for one in latest.values()
        if one.level == DETECTED and one.model in in_force.get(one.strategy, {one.model})
    ]
    return sorted(found, key=lambda one: (one.strategy, one.ts, one.detector))
