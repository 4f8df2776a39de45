"""One role as a child process: started, watched for its ready line, stopped by its own pid.

The child's standard output is the channel on which it says that it is ready; its standard error
is its log. Its standard input is a pipe held by the parent: when it closes, the parent is gone,
and the role stops (`deploy.role_runtime`).
"""

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

READY_PREFIX = "ready "
METRICS_WORD = "metrics="
STOP_TIMEOUT_S = 10.0
LOG_TAIL_BYTES = 4_000
LAST_WORDS_MAX = 300


class RoleProcess:
    """A child process that runs one role by `command`, its log appended to `log_file`.

    `environment` is added to this process's own. `metrics_url` is where its figures are read, ""
    where they are not told.
    """

    def __init__(
        self,
        role: str,
        command: Sequence[str],
        log_file: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.role = role
        self.log_file = log_file
        self._command = tuple(command)
        self._environment = {**(environment or {}), "PYTHONUNBUFFERED": "1"}
        self._process: asyncio.subprocess.Process | None = None
        self._ready = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self.metrics_url = ""

    @property
    def pid(self) -> int | None:
        """The child's process id, or None before it was started."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether the child is alive."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the child; it is ready when `wait_ready` returns."""
        self._ready = asyncio.Event()
        with self.log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                # A Ctrl-C is for the supervisor, which stops the roles in order.
                start_new_session=True,
                env=os.environ | self._environment,
            )
        self._reader = asyncio.create_task(self._listen(self._process))

    async def wait_ready(self) -> bool:
        """Return True when the child has said that it is ready, False when it ended instead."""
        assert self._process is not None
        ready = asyncio.create_task(self._ready.wait())
        ended = asyncio.create_task(self._process.wait())
        try:
            await asyncio.wait((ready, ended), return_when=asyncio.FIRST_COMPLETED)
            return self._ready.is_set()
        finally:
            for task in (ready, ended):
                task.cancel()
            await asyncio.gather(ready, ended, return_exceptions=True)

    async def wait(self) -> int:
        """Return the child's exit status when it has ended."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> bool:
        """Ask the child to end, and kill it when it does not; return whether it listened."""
        if self._process is None:
            return True
        has_listened = True
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            has_listened = False
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._reader is not None:
            await self._reader
        return has_listened

    def last_words(self) -> str:
        """Return the last line of the child's log."""
        try:
            tail = self.log_file.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")
        except OSError:
            return "it left no log"
        lines = [line.strip() for line in tail.splitlines() if line.strip()]
        return lines[-1][:LAST_WORDS_MAX] if lines else "it said nothing"

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            said = line.decode(errors="replace")
            if said.startswith(READY_PREFIX):
                self.metrics_url = said.partition(METRICS_WORD)[2].strip()
                self._ready.set()
