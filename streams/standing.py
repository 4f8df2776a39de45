"""What stands in a stream now, read to its end.

The end is asked for first and not told by silence: a broker that is slow, or busy on a machine that
is, would else be taken for one that holds nothing.
"""

from collections.abc import AsyncIterator

from streams.bus import Bus, Message
from streams.errors import BusError

ANSWER_S = 10.0
ANYTHING = (">",)


async def standing(
    bus: Bus, stream: str, wanted: tuple[str, ...] = (), *, start_seq: int = 1
) -> AsyncIterator[list[Message]]:
    """Yield in batches, in order, what is in `stream` now on the subjects `wanted`, all without.

    Raises BusError where the bus does not hand over within ANSWER_S what it holds.
    """
    last = await bus.last_seq(stream, wanted or ANYTHING)
    if last < start_seq:
        return
    subscription = await bus.read(stream, start_seq, wanted)
    seq = 0
    try:
        while seq < last:
            batch = await subscription.next_batch(ANSWER_S)
            if not batch:
                raise BusError(
                    f"{stream} stopped at {seq} of {last} while it was read: no answer within "
                    f"{ANSWER_S:.0f} s; look at the broker"
                )
            seq = batch[-1].seq
            yield [message for message in batch if message.seq <= last]
    finally:
        await subscription.close()
