"""A role that one process of a state directory plays at a time."""

import asyncio
import logging

from deploy.file_lock import FileLock
from engine.shells.reading import Reading
from engine.shells.shell import Shell
from streams.errors import ConfigError
from streams.waiting import wait_until_set

ASK_AGAIN_S = 0.2

log = logging.getLogger("assay.role")


class SoleRole:
    """Runs a shell while it holds `lock`: until then it waits, and is not ready."""

    def __init__(self, shell: Shell, lock: FileLock) -> None:
        self._shell = shell
        self._lock = lock

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; raises BusError when the bus is lost for good."""
        has_waited = False
        while not self._is_ours():
            if not has_waited:
                log.info("process %s plays this role: waiting for it", self._lock.owner())
            has_waited = True
            if await wait_until_set(stop, ASK_AGAIN_S):
                return
        try:
            await self._shell.run(stop)
        finally:
            self._lock.release()

    async def readings(self) -> list[Reading]:
        """Return what is to be told of this role now."""
        return await self._shell.readings()

    def _is_ours(self) -> bool:
        try:
            return self._lock.take()
        except ConfigError as error:
            # A full disk must not end a role that can do without it.
            log.warning("nobody is kept from playing this role too: %s", error)
            return True
