"""A look at a running broker: streams, roles' watermarks, models."""

import asyncio

import msgspec

from deploy.connection import connect
from deploy.operations.model_shelf import ModelLine, model_lines
from deploy.utc_time import utc_time
from streams import subjects, topology
from streams.bus import Bus, Message
from streams.errors import without_passwords
from streams.events import Bar, Bars, Progress
from streams.intake import event_of
from streams.nats_bus import NatsBus
from streams.standing import standing

# How far back a role's last watermark is looked for.
LOOK_BACK_MESSAGES = 20_000
LOOK_BACK_BARS = 200
# What each role reads; its progress names its position there.
READ_BY = {
    "strategies": subjects.BARS,
    "scorer": topology.INPUT,
    "labeller": topology.SCORED,
    "drift": topology.OUTCOMES,
    "trainer": topology.OUTCOMES,
}
PROGRESS_STREAMS = (topology.INPUT, topology.SCORED, topology.OUTCOMES, topology.DRIFT)


class StreamLine(msgspec.Struct, frozen=True):
    """A stream and how many messages it holds."""

    name: str
    messages: int
    last_seq: int


class RoleLine(msgspec.Struct, frozen=True):
    """The last watermark of a role's shard. `event_time` is ISO 8601, "" before the first event.

    `lag_messages`: what the stream that it reads holds behind `seq`; `lag_s`: how far the newest
    bar, or the furthest role, is ahead in event time. A role vouches for an instant when it has
    seen the next, so that the last instant of all stays behind it.
    """

    role: str
    shard: int
    shards: int
    event_ts: int
    event_time: str
    seq: int
    lag_messages: int
    lag_s: float


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
            url=without_passwords(url),
            streams=tuple([await _stream(bus, spec.name) for spec in topology.STREAMS]),
            roles=await role_lines(bus),
            models=await model_lines(bus),
        )
    finally:
        await bus.close()


async def _stream(bus: NatsBus, name: str) -> StreamLine:
    state = await bus.jetstream.stream_state(name)
    return StreamLine(name, state.messages, state.last_seq)


async def role_lines(bus: Bus) -> tuple[RoleLine, ...]:
    """Return the last watermark of every role and shard on `bus`, and how far behind it is."""
    newest: dict[tuple[str, int], Progress] = {}
    shards: dict[str, int] = {}
    *said, bars = await asyncio.gather(
        *(_tail(bus, name, subjects.PROGRESS, LOOK_BACK_MESSAGES) for name in PROGRESS_STREAMS),
        _tail(bus, topology.INPUT, subjects.BARS, LOOK_BACK_BARS),
    )
    for messages in said:
        for message in messages:
            progress = event_of(message)
            if isinstance(progress, Progress) and progress.role in READ_BY:
                newest[progress.role, progress.shard] = progress
                shards[progress.role] = progress.shards
    # What a former, larger number of shards said last is no news.
    current = [p for _, p in sorted(newest.items()) if p.shards == shards[p.role]]
    ends = {stream: await bus.last_seq(stream) for stream in PROGRESS_STREAMS}
    newest_ts = max((p.event_ts for p in current), default=0)
    for message in bars:
        event = event_of(message)
        ends[subjects.BARS] = message.seq
        if isinstance(event, Bar):
            newest_ts = max(newest_ts, event.ts)
        elif isinstance(event, Bars):
            newest_ts = max(newest_ts, int.from_bytes(event.ts[-8:], "little", signed=True))
    return tuple(_line(progress, ends, newest_ts) for progress in current)


async def _tail(bus: Bus, stream: str, wanted: str, at_most: int) -> list[Message]:
    """Return what a stream's last `at_most` messages hold on the subjects `wanted`."""
    last = await bus.last_seq(stream)
    start = max(1, last - at_most + 1)
    return [
        one async for batch in standing(bus, stream, (wanted,), start_seq=start) for one in batch
    ]


def _line(progress: Progress, ends: dict[str, int], newest_ts: int) -> RoleLine:
    ts = progress.event_ts
    return RoleLine(
        role=progress.role,
        shard=progress.shard,
        shards=progress.shards,
        event_ts=ts,
        event_time=utc_time(ts),
        seq=progress.seq,
        lag_messages=max(0, ends.get(READ_BY[progress.role], 0) - progress.seq),
        lag_s=max(0, newest_ts - ts) / 1e9,
    )
