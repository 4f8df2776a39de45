"""What stands in a stream now on some subjects, for people to read."""

from typing import NamedTuple

import numpy as np

from streams import topology
from streams.bus import Bus, Message
from streams.errors import WireError
from streams.events import Bar, Bars, Event, Progress
from streams.intake import event_of
from streams.standing import standing

LOOK_BACK_MESSAGES = 256
LOOK_FURTHER_BACK_MESSAGES = 20_000


class Recorded(NamedTuple):
    """A message and the event in it."""

    message: Message
    event: Event


async def recorded(
    bus: Bus, stream: str, wanted: tuple[str, ...], *, start_seq: int = 1
) -> list[Recorded]:
    """Return the events of `wanted` that are in `stream` now, in order; what is none is passed."""
    found: list[Recorded] = []
    async for batch in standing(bus, stream, wanted, start_seq=start_seq):
        for message in batch:
            event = event_of(message)
            if not isinstance(event, WireError):
                found.append(Recorded(message, event))
    return found


async def holds_any(bus: Bus, stream: str, wanted: tuple[str, ...]) -> bool:
    """Whether anything stands in `stream` on one of the subjects `wanted`."""
    return await bus.last_seq(stream, wanted) > 0


async def newest_event_ts(bus: Bus) -> int:
    """Return the event time that a broker has come to, UTC nanoseconds; 0 before the first bar.

    That is the newest bar or watermark among the last messages of INPUT and SCORED: what a signal
    says of its own time is no time of the market. A model that is to speak at once comes into
    force then.
    """
    for at_most in (LOOK_BACK_MESSAGES, LOOK_FURTHER_BACK_MESSAGES):
        newest = 0
        for stream in (topology.INPUT, topology.SCORED):
            start = await bus.last_seq(stream) - at_most + 1
            found = await recorded(bus, stream, (), start_seq=max(1, start))
            newest = max((newest, *(_newest_ts(one.event) for one in found)))
        if newest:
            return newest
    return 0


def _newest_ts(event: Event) -> int:
    if isinstance(event, Bar):
        return event.ts
    if isinstance(event, Progress):
        return event.event_ts
    if isinstance(event, Bars):
        whole = len(event.ts) - len(event.ts) % 8
        return int(np.frombuffer(event.ts[:whole], "<i8").max(initial=0))
    return 0
