"""The ledger of retrain requests: each is decided once, whoever answers it.

A decision is written by compare-and-set before it has any effect. A worker that dies behind it,
or that loses the race, finds it and carries out what was decided, not what it would decide.
"""

import msgspec

from streams import subjects
from streams.bus import Bus
from streams.errors import ConflictError
from streams.events import Deployment, Policy
from streams.topology import BUCKET_LEDGER


class Decision(msgspec.Struct, frozen=True):
    """What a request came to: the event to publish and, where one is due, the policy.

    `expected` is the revision of the pointer that the champion was read at. `is_out` once all
    of it has been published.
    """

    request_id: str
    deployment: Deployment
    is_promoted: bool
    expected: int = 0
    policy: Policy | None = None
    is_out: bool = False
    revision: int = 0


class Ledger:
    """Decisions by request id, in the bus's keys."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def find(self, request_id: str) -> Decision | None:
        """Return what was decided, or None."""
        entry = await self._bus.key_get(BUCKET_LEDGER, subjects.token(request_id))
        if entry is None:
            return None
        decision = msgspec.json.decode(entry.value, type=Decision)
        return msgspec.structs.replace(decision, revision=entry.revision)

    async def decide(self, decision: Decision) -> Decision:
        """Write a decision if there is none yet; return the one that stands."""
        return await self._write(decision, expected=0)

    async def amend(self, decision: Decision) -> Decision:
        """Replace a decision that was read; return the one that stands."""
        return await self._write(decision, expected=decision.revision)

    async def _write(self, decision: Decision, expected: int) -> Decision:
        key = subjects.token(decision.request_id)
        value = msgspec.json.encode(msgspec.structs.replace(decision, revision=0))
        try:
            revision = await self._bus.key_put(BUCKET_LEDGER, key, value, expected=expected)
        except ConflictError:
            standing = await self.find(decision.request_id)
            if standing is None:
                raise
            return standing
        return msgspec.structs.replace(decision, revision=revision)
