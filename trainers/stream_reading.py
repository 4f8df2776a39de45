"""Looking back into a stream: what stands there now, on one subject."""

import contextlib
from collections.abc import AsyncIterator

from streams import codec, subjects, topology
from streams.bus import HEADER_ID, Bus, Message
from streams.errors import WireError
from streams.events import Policy
from streams.validation import check_policy

READ_TIMEOUT_S = 0.5


async def standing(bus: Bus, stream: str, subject: str) -> AsyncIterator[Message]:
    """Yield the messages of `subject` that are in `stream` now, in order."""
    last = await bus.last_seq(stream)
    if last == 0:
        return
    subscription = await bus.read(stream, 1, (subject,))
    try:
        while batch := await subscription.next_batch(READ_TIMEOUT_S):
            for message in batch:
                if message.seq > last:
                    return
                yield message
    finally:
        await subscription.close()


async def standing_policy(bus: Bus, strategy: str) -> Policy | None:
    """Return the newest policy of a strategy that can be honoured, or None."""
    found = None
    async for message in standing(bus, topology.INPUT, subjects.policy(strategy)):
        # What cannot be honoured has no effect on the scorer either.
        with contextlib.suppress(WireError):
            event = codec.decode(message.payload)
            if isinstance(event, Policy):
                check_policy(event)
                found = event
    return found


async def holds(bus: Bus, stream: str, subject: str, msg_id: str) -> bool:
    """Whether a message of `subject` with that id is in `stream`.

    The server's own memory of ids lasts for its window only; the stream remembers for good.
    """
    async for message in standing(bus, stream, subject):
        if message.headers.get(HEADER_ID) == msg_id:
            return True
    return False
