"""How often work on a request was begun: one that kills whoever works on it is given up.

Deliveries of the queue do not tell, for whoever dies holds others, too, that only wait for their
turn. One key of a strategy counts for its newest requests; it is written by who has the turn.
"""

import msgspec

from streams import subjects
from streams.bus import Bus
from streams.topology import BUCKET_LEASES

KEY = "attempts"
REMEMBERED_MAX = 64
_Counts = dict[str, int]


class Attempts:
    """The attempts at requests, over a bus. Everything raises BusError."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def begin(self, strategy: str, request_id: str) -> int:
        """Count one more, and return how many there are with it."""
        return await self._add(strategy, request_id, 1)

    async def withdraw(self, strategy: str, request_id: str) -> None:
        """Take one back: it was stopped in order."""
        await self._add(strategy, request_id, -1)

    async def _add(self, strategy: str, request_id: str, number: int) -> int:
        key = f"{KEY}.{subjects.token(strategy)}"
        entry = await self._bus.key_get(BUCKET_LEASES, key)
        counts = _counts_of(entry.value) if entry is not None else {}
        count = max(0, counts.pop(request_id, 0) + number)
        newest = dict(list(counts.items())[1 - REMEMBERED_MAX :]) | {request_id: count}
        await self._bus.key_put(BUCKET_LEASES, key, msgspec.json.encode(newest))
        return count


def _counts_of(value: bytes) -> _Counts:
    try:
        return msgspec.json.decode(value, type=_Counts)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
