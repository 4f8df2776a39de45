"""Asking a trainer for a model."""

import hashlib

from streams import codec, subjects
from streams.bus import Bus
from streams.events import Retrain

ID_CHARACTERS = 16


async def request_training(bus: Bus, strategy: str, ts: int, reason: str, requested_by: str) -> str:
    """Ask for a model of `strategy` as of event time `ts`; return the request's id.

    The id is a digest of the content: asking twice for the same is asking once.
    """
    content = f"{strategy}:{ts}:{reason}:{requested_by}"
    request_id = hashlib.sha256(content.encode()).hexdigest()[:ID_CHARACTERS]
    request = Retrain(request_id, strategy, None, reason, 0, requested_by, ts)
    await bus.publish(subjects.retrain(strategy), codec.encode(request), msg_id=request_id)
    return request_id
