"""Turns: of all trainers one at a time works on the requests of a strategy.

Two that decided on the same state of affairs would train the same model twice, and count it twice.
Whoever has the turn renews its lease and gives it back; who is killed keeps its strategy from the
others for the lease's length at most. What is decided once stays the ledger's affair.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from engine.shells.lease import Lease
from streams import subjects
from streams.bus import Bus
from streams.errors import BusError
from streams.topology import BUCKET_LEASES
from streams.waiting import end_tasks

TURN_LEASE_S = 15.0
RENEWALS_PER_LEASE = 3
KEY = "trainer"

log = logging.getLogger("assay.trainer")


class Turns:
    """The leases of all strategies as one trainer sees them."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._lease_s = TURN_LEASE_S
        self._holder = ""
        self._leases: dict[str, Lease] = {}

    async def take(self, strategy: str) -> Lease | None:
        """Return the strategy's lease where it is free, None while another trainer has it.

        Without a wait: who asks again and again gets what has lapsed. Raises BusError.
        """
        if not self._holder:
            # The bus counts: no other trainer has this name, on whichever machine.
            self._holder = f"{KEY}-{await self._bus.key_put(BUCKET_LEASES, KEY, b'')}"
        lease = self._leases.get(strategy)
        if lease is None:
            key = f"{KEY}.{subjects.token(strategy)}"
            lease = Lease(self._bus, key, self._holder, lease_s=self._lease_s)
            self._leases[strategy] = lease
        return lease if await lease.tend() else None

    @contextlib.asynccontextmanager
    async def kept(self, lease: Lease) -> AsyncIterator[None]:
        """Renew a lease inside, and give it back behind."""
        renewing = asyncio.create_task(self._renew(lease))
        try:
            yield
        finally:
            try:
                await end_tasks((renewing,))
            finally:
                await _release(lease)

    async def _renew(self, lease: Lease) -> None:
        # One that another took is not taken back: what the other did is not known here.
        while lease.is_held:
            await asyncio.sleep(self._lease_s / RENEWALS_PER_LEASE)
            try:
                await lease.tend()
            except BusError as error:
                # It is held until it lapses, and whoever decides looks at that.
                log.warning("a turn could not be renewed: %s", error)


async def _release(lease: Lease) -> None:
    try:
        await lease.release()
    except BusError as error:
        log.warning("a turn is left to lapse: %s", error)
