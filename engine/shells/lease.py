"""A lease: the right to speak for one key, held by whoever writes its key anew in time.

It is taken and renewed by compare-and-set. No clock is compared with another: the holder counts
from before it asked, and whoever waits for the lease from when it saw the key's revision move
last, each by its own clock. So a holder knows that its lease has lapsed before another takes it.
"""

import asyncio
import logging

from streams.bus import Bus, KeyEntry
from streams.errors import ConflictError
from streams.topology import BUCKET_LEASES

LEASE_S = 3.0
RENEW_S = 1.0
# For who has still to read what its predecessor had said: another may be nearer.
COLD_PATIENCE = 3
RELEASED = b""

log = logging.getLogger("assay.lease")


class Lease:
    """One key of the bucket of leases; `holder` is a name that no other process has."""

    def __init__(self, bus: Bus, key: str, holder: str, *, lease_s: float = LEASE_S) -> None:
        self._bus = bus
        self._key = key
        self._holder = holder.encode()
        self._lease_s = lease_s
        self._held_revision = 0
        self._held_from = 0.0
        self._seen_revision = 0
        self._seen_at = 0.0

    @property
    def is_held(self) -> bool:
        """Whether the lease was taken and nobody has been heard of who took it since."""
        return self._held_revision > 0

    @property
    def is_fresh(self) -> bool:
        """Whether the lease is held and cannot have been taken by another."""
        return self.is_held and self._now() - self._held_from < self._lease_s

    async def tend(self, *, is_warm: bool = True) -> bool:
        """Renew the lease, or take it where it is free; return whether it is held.

        Who is not warm leaves a lapsed lease to others for longer. Raises BusError when the
        bucket cannot be asked: what was held is held until it lapses.
        """
        if self.is_held:
            await self._renew()
        else:
            await self._try_to_take(self._lease_s * (1 if is_warm else COLD_PATIENCE))
        return self.is_held

    async def release(self) -> None:
        """Let the next one take the lease at once. Raises BusError."""
        if self.is_held:
            held, self._held_revision = self._held_revision, 0
            try:
                await self._put(RELEASED, held)
            except ConflictError:
                log.info("the lease %s had another holder already", self._key)

    async def _renew(self) -> None:
        asked_at = self._now()
        try:
            self._hold(await self._put(self._holder, self._held_revision), asked_at)
        except ConflictError:
            entry = await self._get()
            if entry is not None and entry.value == self._holder:
                # The answer to an earlier renewal was lost, not the renewal.
                self._hold(entry.revision, asked_at)
            else:
                log.warning("the lease %s was taken by another", self._key)
                self._held_revision = 0
                self._see(0 if entry is None else entry.revision)

    async def _try_to_take(self, patience_s: float) -> None:
        asked_at = self._now()
        entry = await self._get()
        revision = 0 if entry is None else entry.revision
        if entry is not None and entry.value != RELEASED:
            if revision != self._seen_revision:
                self._see(revision)
                return
            if asked_at - self._seen_at < patience_s:
                return
        asked_at = self._now()
        try:
            self._hold(await self._put(self._holder, revision), asked_at)
        except ConflictError:
            return
        log.info("the lease %s is held", self._key)

    def _hold(self, revision: int, asked_at: float) -> None:
        self._held_revision = revision
        self._held_from = asked_at

    def _see(self, revision: int) -> None:
        self._seen_revision = revision
        self._seen_at = self._now()

    async def _get(self) -> KeyEntry | None:
        return await self._bus.key_get(BUCKET_LEASES, self._key)

    async def _put(self, value: bytes, expected: int) -> int:
        return await self._bus.key_put(BUCKET_LEASES, self._key, value, expected=expected)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
