"""Looking back into a stream: what stands there now, on one subject."""

from collections.abc import AsyncIterator

from streams.bus import HEADER_ID, Bus, Message

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


async def newest(bus: Bus, stream: str, subject: str) -> Message | None:
    """Return the newest message of `subject` in `stream`, or None."""
    found = None
    async for message in standing(bus, stream, subject):
        found = message
    return found


async def holds(bus: Bus, stream: str, subject: str, msg_id: str) -> bool:
    """Whether a message of `subject` with that id is in `stream`.

    The server's own memory of ids lasts for its window only; the stream remembers for good.
    """
    async for message in standing(bus, stream, subject):
        if message.headers.get(HEADER_ID) == msg_id:
            return True
    return False
