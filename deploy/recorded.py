"""What stands in a stream now on some subjects, for people to read."""

from typing import NamedTuple

from streams import topology
from streams.bus import Bus, Message
from streams.errors import WireError
from streams.events import Bar, Bars, Event, Progress
from streams.intake import event_of
from streams.subjects import BARS

READ_TIMEOUT_S = 0.5
LOOK_BACK_MESSAGES = 20_000
LOOK_BACK_BARS = 200
SCORERS = "progress.scorer.>"


class Recorded(NamedTuple):
    """A message and the event in it."""

    message: Message
    event: Event


async def recorded(
    bus: Bus, stream: str, wanted: tuple[str, ...], *, start_seq: int = 1
) -> list[Recorded]:
    """Return the events of `wanted` that are in `stream` now, in order; what is none is passed."""
    last = await bus.last_seq(stream)
    found: list[Recorded] = []
    if last < start_seq:
        return found
    subscription = await bus.read(stream, start_seq, wanted)
    try:
        while batch := await subscription.next_batch(READ_TIMEOUT_S):
            for message in batch:
                event = event_of(message)
                if message.seq <= last and not isinstance(event, WireError):
                    found.append(Recorded(message, event))
            if batch[-1].seq >= last:
                break
    finally:
        await subscription.close()
    return found


async def holds_any(bus: Bus, stream: str, wanted: tuple[str, ...]) -> bool:
    """Whether anything was ever recorded on one of the subjects `wanted`."""
    subscription = await bus.read(stream, 1, wanted)
    try:
        return bool(await subscription.next_batch(READ_TIMEOUT_S))
    finally:
        await subscription.close()


async def newest_event_ts(bus: Bus) -> int:
    """Return the event time that scorers have come to, or the newest bar's; 0 where there is none.

    UTC nanoseconds. A model that is to speak at once comes into force then.
    """
    end = await bus.last_seq(topology.INPUT)
    bars = await recorded(bus, topology.INPUT, (BARS,), start_seq=max(1, end - LOOK_BACK_BARS + 1))
    newest = max((_newest_ts(one.event) for one in bars), default=0)
    if newest:
        return newest
    end = await bus.last_seq(topology.SCORED)
    said = await recorded(
        bus, topology.SCORED, (SCORERS,), start_seq=max(1, end - LOOK_BACK_MESSAGES + 1)
    )
    return max((_newest_ts(one.event) for one in said), default=0)


def _newest_ts(event: Event) -> int:
    if isinstance(event, Bar):
        return event.ts
    if isinstance(event, Progress):
        return event.event_ts
    if isinstance(event, Bars):
        whole = len(event.ts) - len(event.ts) % 8
        return int.from_bytes(event.ts[max(0, whole - 8) : whole], "little", signed=True)
    return 0
