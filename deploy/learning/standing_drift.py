"""Which drifts stand: detected on a model that is in force, and not recovered from since."""

import msgspec

from engine.drift.drift_budget import CALIBRATION, RANKING
from engine.drift.drift_words import CANARY_DETAIL
from engine.drift.model_watch import DETECTED, RECOVERED
from models.registry import Registry
from streams import subjects, topology
from streams.bus import Bus
from streams.errors import BusError
from streams.events import Drift
from streams.intake import event_of

PATIENCE_S = 30.0


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
    latest: dict[tuple[str, str, str], Drift] = {}
    for said in await _said(bus, strategy):
        if said.channel not in (RANKING, CALIBRATION) or said.detail == CANARY_DETAIL:
            continue
        if said.level in (DETECTED, RECOVERED):
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


async def _said(bus: Bus, strategy: str | None) -> list[Drift]:
    """Return every drift event that stands in DRIFT now.

    All of the stream is read: only its own last message tells that nothing has been missed.
    """
    last, seq = await bus.last_seq(topology.DRIFT), 0
    found: list[Drift] = []
    if not last:
        return found
    prefix = subjects.DRIFT.removesuffix(">")
    subscription = await bus.read(topology.DRIFT)
    try:
        while seq < last:
            batch = await subscription.next_batch(PATIENCE_S)
            if not batch:
                raise BusError(f"{topology.DRIFT} stopped at {seq} of {last} while it was read")
            seq = batch[-1].seq
            for message in batch:
                event = event_of(message) if message.subject.startswith(prefix) else None
                if isinstance(event, Drift) and strategy in (None, event.strategy):
                    found.append(event)
    finally:
        await subscription.close()
    return found
