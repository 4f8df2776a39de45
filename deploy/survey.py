"""A look at a running broker: streams, roles' watermarks, models."""

from datetime import UTC, datetime

import msgspec

from deploy.connection import connect
from deploy.model_shelf import ModelLine, model_lines
from streams import subjects, topology
from streams.bus import Bus
from streams.events import Progress
from streams.intake import event_of
from streams.nats_bus import NatsBus

# How far back a role's last watermark is looked for.
LOOK_BACK_MESSAGES = 20_000
READ_TIMEOUT_S = 1.0
PROGRESS_STREAMS = (topology.INPUT, topology.SCORED, topology.OUTCOMES, topology.DRIFT)


class StreamLine(msgspec.Struct, frozen=True):
    """A stream and how many messages it holds."""

    name: str
    messages: int
    last_seq: int


class RoleLine(msgspec.Struct, frozen=True):
    """A role's last watermark. `event_time` is ISO 8601, empty before the first event."""

    role: str
    shard: int
    event_ts: int
    event_time: str
    seq: int


class Survey(msgspec.Struct, frozen=True):
    """What a broker holds."""

    url: str
    streams: tuple[StreamLine, ...]
    roles: tuple[RoleLine, ...]
    models: tuple[ModelLine, ...]


async def survey(url: str) -> Survey:
    """Look at the broker at `url`. Raises BrokerError when none answers there."""
    bus = await connect(url, "assay-status")
    try:
        return Survey(
            url=url,
            streams=tuple([await _stream(bus, spec.name) for spec in topology.STREAMS]),
            roles=await _roles(bus),
            models=await model_lines(bus),
        )
    finally:
        await bus.close()


async def _stream(bus: NatsBus, name: str) -> StreamLine:
    state = await bus.jetstream.stream_state(name)
    return StreamLine(name, state.messages, state.last_seq)


async def _roles(bus: Bus) -> tuple[RoleLine, ...]:
    newest: dict[tuple[str, int], Progress] = {}
    for stream in PROGRESS_STREAMS:
        last = await bus.last_seq(stream)
        start = max(1, last - LOOK_BACK_MESSAGES)
        subscription = await bus.read(stream, start, (subjects.PROGRESS,))
        try:
            while batch := await subscription.next_batch(READ_TIMEOUT_S):
                for message in batch:
                    progress = event_of(message)
                    if isinstance(progress, Progress):
                        newest[progress.role, progress.shard] = progress
                if batch[-1].seq >= last:
                    break
        finally:
            await subscription.close()
    return tuple(_line(progress) for _, progress in sorted(newest.items()))


def _line(progress: Progress) -> RoleLine:
    ts = progress.event_ts
    when = datetime.fromtimestamp(ts / 1e9, UTC).isoformat(timespec="seconds") if ts else ""
    return RoleLine(progress.role, progress.shard, ts, when, progress.seq)
