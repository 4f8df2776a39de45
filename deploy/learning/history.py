"""What happened to the models of a broker, from drift alarms to what people did, in order."""

import asyncio
from typing import NamedTuple

import msgspec

from deploy.monitor.event_words import event_line
from deploy.operations.recorded import Recorded, recorded
from streams import subjects, topology
from streams.bus import HEADER_ID, Bus, Message
from streams.events import Deployment, Drift, Retrain
from streams.intake import event_of
from trainers.retraining.ledger import Ledger

ENTRIES_MAX = 10_000
WORKERS = "trainers"
REQUEST, WAITING = "retrain", "waiting"


class HistoryEntry(msgspec.Struct, frozen=True):
    """One thing that happened. `ts` is event time, 0 where it is of none; `wall_ts` the broker's.

    `kind`: drift, retrain, waiting (a request that is not answered yet), deployed, kept, policy
    or audit. `figures` are those that decided.
    """

    ts: int
    wall_ts: int
    strategy: str
    kind: str
    text: str
    request_id: str = ""
    figures: dict[str, float | str] = {}


class _Placed(NamedTuple):
    """An entry and its place: of one moment of the broker an alarm, a request, a decision."""

    wall_ts: int
    order: int
    entry: HistoryEntry


async def history_of(
    bus: Bus, strategy: str | None = None, at_most: int = ENTRIES_MAX
) -> list[HistoryEntry]:
    """Return the newest `at_most` entries of a strategy, or of all, newest last.

    In the broker's time: a request stands behind the alarm that it answers, else before what was
    decided on it, for the queue forgets when it came.
    """
    told = await _told(bus, strategy)
    placed = [one for one in map(_placed, told) if one is not None]
    alarms = {
        (one.event.strategy, one.event.ts): one.message.time_ns
        for one in told
        if isinstance(one.event, Drift)
    }
    decided = {
        one.event.request_id: one.message.time_ns
        for one in told
        if isinstance(one.event, Deployment) and one.event.request_id
    }
    for decision in await Ledger(bus).decisions():
        request = decision.request
        if request is None or strategy not in (None, request.strategy):
            continue
        wall_ts = alarms.get((request.strategy, request.ts)) or decided.get(request.request_id, 0)
        placed.append(_Placed(wall_ts, 1, _of_request(request, wall_ts, REQUEST)))
    known = {one.entry.request_id for one in placed}
    newest_ts = max((one.wall_ts for one in placed), default=0)
    for request in await _waiting(bus, strategy):
        if request.request_id not in known:
            wall_ts = alarms.get((request.strategy, request.ts), newest_ts)
            placed.append(_Placed(wall_ts, 3, _of_request(request, wall_ts, WAITING)))
    placed.sort(key=lambda one: (one.wall_ts, one.order))
    return [one.entry for one in placed][-at_most:]


async def _told(bus: Bus, strategy: str | None) -> list[Recorded]:
    if strategy is None:
        deployed, kept, drift = subjects.DEPLOYED, subjects.KEPT, subjects.DRIFT
        policy, audit = subjects.POLICY, subjects.AUDIT
    else:
        deployed, kept = subjects.deployed(strategy), subjects.kept(strategy)
        drift, policy = subjects.drift(strategy), subjects.policy(strategy)
        audit = subjects.audit(strategy)
    found = await asyncio.gather(
        recorded(bus, topology.INPUT, (deployed, policy)),
        recorded(bus, topology.DRIFT, (drift, kept)),
        recorded(bus, topology.AUDIT, (audit,)),
    )
    return [one for stream in found for one in stream]


def _placed(one: Recorded) -> _Placed | None:
    line = event_line(one.event, one.message)
    if line is None:
        return None
    event, figures, request_id = one.event, {}, ""
    if isinstance(event, Deployment):
        figures = event.verdict
        request_id = event.request_id or one.message.headers.get(HEADER_ID, "")
    entry = HistoryEntry(
        line.ts,
        one.message.time_ns,
        line.strategy,
        line.kind,
        line.text,
        request_id if isinstance(event, Deployment) else "",
        figures,
    )
    return _Placed(one.message.time_ns, 0 if isinstance(event, Drift) else 2, entry)


def _of_request(request: Retrain, wall_ts: int, kind: str) -> HistoryEntry:
    text = f"{request.action} asked for by {request.requested_by}: {request.reason}"
    return HistoryEntry(request.ts, wall_ts, request.strategy, kind, text, request.request_id)


async def _waiting(bus: Bus, strategy: str | None) -> list[Retrain]:
    """Return the requests that nobody has answered yet, without taking them."""
    queue = await bus.work_queue(topology.RETRAIN, WORKERS)
    subject = subjects.RETRAIN if strategy is None else subjects.retrain(strategy)
    try:
        events = [event_of(one) for one in await queue.behind(Message(subject, b"", seq=0))]
    finally:
        await queue.close()
    return [one for one in events if isinstance(one, Retrain)]
