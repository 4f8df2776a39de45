"""Looking back into a stream: what stands there now, on one subject."""

import contextlib

from streams import codec, subjects, topology
from streams.bus import HEADER_ID, Bus
from streams.errors import WireError
from streams.events import Policy, Progress
from streams.standing import standing
from streams.validation import check_policy

WATERMARKS = ((topology.SCORED, "scorer"), (topology.OUTCOMES, "labeller"))


async def standing_policy(bus: Bus, strategy: str) -> Policy | None:
    """Return the newest policy of a strategy that can be honoured, or None."""
    found = None
    async for batch in standing(bus, topology.INPUT, (subjects.policy(strategy),)):
        for message in batch:
            # What cannot be honoured has no effect on the scorer either.
            with contextlib.suppress(WireError):
                event = codec.decode(message.payload)
                if isinstance(event, Policy):
                    check_policy(event)
                    found = event
    return found


async def newest_progress_ts(bus: Bus) -> int:
    """Return the event time that the scorers and labellers have come to, 0 for none."""
    newest = 0
    for stream, role in WATERMARKS:
        wanted = (f"progress.{role}.>",)
        last = await bus.last_seq(stream, wanted)
        async for batch in standing(bus, stream, wanted, start_seq=max(last, 1)):
            for message in batch:
                with contextlib.suppress(WireError):
                    event = codec.decode(message.payload)
                    newest = max(newest, event.event_ts if isinstance(event, Progress) else 0)
    return newest


async def holds(bus: Bus, stream: str, subject: str, msg_id: str) -> bool:
    """Whether a message of `subject` with that id is in `stream`.

    The server's own memory of ids lasts for its window only; the stream remembers for good.
    """
    found = False
    async for batch in standing(bus, stream, (subject,)):
        found = found or any(one.headers.get(HEADER_ID) == msg_id for one in batch)
    return found
