"""Runs roles as processes: starts them, starts a crashed one again, stops them all.

A role that crashes is started again after a pause that doubles, up to RESTARTS_MAX times in
RESTART_WINDOW_S; then the supervisor gives up and says what the role said last.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deploy.role_process import RoleProcess
from streams.errors import AssayError
from streams.waiting import end_tasks

READY_TIMEOUT_S = 120.0
RESTARTS_MAX = 8
RESTART_WINDOW_S = 120.0
BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 10.0

log = logging.getLogger("assay.supervisor")


class RoleFailed(AssayError):
    """A role does not come up, or crashes again and again."""


class Supervisor:
    """The processes of one run, as an async context manager.

    `commands` says how each role is started. `on_event` is told in words what happens.
    `environment` is added to that of every role: what is not for their command lines.
    """

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        logs: Path,
        on_event: Callable[[str], None] = lambda text: None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.processes = {
            role: RoleProcess(role, command, logs / f"{role}.log", environment)
            for role, command in commands.items()
        }
        self.restarts = dict.fromkeys(commands, 0)
        self._on_event = on_event
        self._keepers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Supervisor":
        try:
            await self._start_all()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    async def watch(self) -> None:
        """Keep the roles alive until cancelled; raises RoleFailed when one cannot be."""
        await asyncio.wait(self._keepers, return_when=asyncio.FIRST_COMPLETED)
        self.check()

    def check(self) -> None:
        """Raise RoleFailed when a role was given up."""
        for keeper in self._keepers:
            if keeper.done() and not keeper.cancelled():
                error = keeper.exception()
                if error is not None:
                    raise error

    async def stop(self) -> None:
        """Stop every role, each by its own pid."""
        await end_tasks(self._keepers)
        self._keepers.clear()
        processes = self.processes.values()
        listened = await asyncio.gather(*(process.stop() for process in processes))
        for process, has_listened in zip(processes, listened, strict=True):
            if not has_listened:
                self._on_event(f"role {process.role} did not stop when asked and was killed")

    async def _start_all(self) -> None:
        processes = list(self.processes.values())
        await asyncio.gather(*(process.start() for process in processes))
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                are_ready = await asyncio.gather(*(process.wait_ready() for process in processes))
        except TimeoutError:
            raise RoleFailed(
                f"the roles were not ready within {READY_TIMEOUT_S:.0f} s: look at their logs in "
                f"{processes[0].log_file.parent}"
            ) from None
        for process, is_ready in zip(processes, are_ready, strict=True):
            if not is_ready:
                raise RoleFailed(
                    f"role {process.role} did not start: {process.last_words()} "
                    f"({process.log_file})"
                )
            self._on_event(f"{process.role} ready (pid {process.pid})")
            self._tell_metrics(process)
        self._keepers = [asyncio.create_task(self._keep(process)) for process in processes]

    async def _keep(self, process: RoleProcess) -> None:
        """Start `process` again whenever it ends; it only ends by a crash."""
        crashes: deque[float] = deque(maxlen=RESTARTS_MAX)
        loop = asyncio.get_running_loop()
        while True:
            status = await process.wait()
            now = loop.time()
            crashes.append(now)
            while crashes and now - crashes[0] > RESTART_WINDOW_S:
                crashes.popleft()
            words = f"role {process.role} ended with status {status}: {process.last_words()}"
            log.error(words)
            if len(crashes) >= RESTARTS_MAX:
                raise RoleFailed(f"{words}; given up after {RESTARTS_MAX} restarts")
            pause_s = min(BACKOFF_FIRST_S * 2 ** (len(crashes) - 1), BACKOFF_MAX_S)
            self._on_event(f"{words}; starting it again in {pause_s:.2g} s")
            await asyncio.sleep(pause_s)
            self.restarts[process.role] += 1
            await process.stop()
            await process.start()
            if await process.wait_ready():
                self._tell_metrics(process)

    def _tell_metrics(self, process: RoleProcess) -> None:
        if process.metrics_url:
            self._on_event(f"{process.role} metrics {process.metrics_url}")
