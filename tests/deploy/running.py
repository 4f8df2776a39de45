"""Starts `assay` commands as a user does: as processes, with their own state directory."""

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.house import ROOT

READY_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0
COMMAND_TIMEOUT_S = 100.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def assay(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )


class Up:
    """A running `assay up`."""

    def __init__(self, process: subprocess.Popen[str], port: int, state_dir: Path) -> None:
        self.process = process
        self.url = f"nats://127.0.0.1:{port}"
        self.state_dir = state_dir
        self.lines: list[str] = []
        self._queue: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def wait_for_line(self, start: str, timeout_s: float = READY_TIMEOUT_S) -> str:
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                line = self._queue.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no line {start!r} in {self.lines}") from None
            if line.startswith(start):
                return line
            if not line:
                raise AssertionError(f"assay up ended: {self.lines}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(STOP_TIMEOUT_S)

    def role_pids(self) -> dict[str, int]:
        """The pids that `up` told, the newest of each role."""
        words = [line.split() for line in self.lines if " ready (pid " in line]
        return {word[0]: int(word[3].rstrip(")")) for word in words}

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            self._queue.put(line.rstrip("\n"))
        self._queue.put("")


@contextlib.contextmanager
def assay_up(state_dir: Path, *arguments: str) -> Iterator[Up]:
    """Run `assay up` on a free port; it is ready inside the block and gone after it."""
    port = free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "deploy.cli", "up"),
            *("--port", str(port), "--state-dir", str(state_dir)),
            *("--config", "configs/quickstart.yaml"),
            *arguments,
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    up = Up(process, port, state_dir)
    try:
        up.wait_for_line("ready:")
        yield up
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_TIMEOUT_S)
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
