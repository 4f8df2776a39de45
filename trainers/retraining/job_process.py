"""Runs a training job in a niced process of its own, and ends what it started."""

import asyncio
import contextlib
import hashlib
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from streams.errors import ModelError
from trainers.retraining.job_files import LOG_FILE, RESULT_FILE, JobResult, read_result

COMMAND = (sys.executable, "-m", "trainers.retraining.job")
NICENESS = 10
JOB_TIMEOUT_S = 900.0
JOB_TRIES = 2
LOG_TAIL_CHARACTERS = 300

log = logging.getLogger("assay.trainer")


async def run_in_process(
    folder: Path,
    *,
    command: Sequence[str] = COMMAND,
    timeout_s: float = JOB_TIMEOUT_S,
    tries: int = JOB_TRIES,
) -> JobResult:
    """Run the job whose request lies in `folder`, at most `tries` times.

    Raises ModelError when every try ended without a result. Cancelling it kills the process.
    """
    why = "it was never tried"
    for number in range(1, tries + 1):
        (folder / RESULT_FILE).unlink(missing_ok=True)
        code = await _run_once(folder, command, timeout_s)
        if code == 0:
            return read_result(folder)
        why = f"exit code {code}: {_tail(folder)}" if code is not None else "it took too long"
        log.warning("training job failed (%d of %d): %s", number, tries, why)
    raise ModelError(f"the training job failed {tries} times, last with {why}")


async def _run_once(folder: Path, command: Sequence[str], timeout_s: float) -> int | None:
    """Return the exit code, or None when it took too long."""
    with (folder / LOG_FILE).open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, str(folder), stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
        )
    _step_back(process.pid)
    try:
        async with asyncio.timeout(timeout_s):
            return await process.wait()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _step_back(pid: int) -> None:
    """Nice a job from its first step on: its imports take as long as many a training."""
    if hasattr(os, "setpriority"):
        niceness = max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0))
        # One that has ended already slows nobody down.
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, pid, niceness)


def _tail(folder: Path) -> str:
    text = (folder / LOG_FILE).read_text(errors="replace").strip()
    return " ".join(text.split())[-LOG_TAIL_CHARACTERS:]


def fresh_folder(parent: Path, request_id: str) -> Path:
    """Return a new folder for a request under `parent`, private to its owner.

    Folders that a trainer left behind when it died on the same request are removed: a job that
    outlived it finds nowhere to write, and never into the folder of the next one.
    """
    name = hashlib.sha256(request_id.encode()).hexdigest()[:16]
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in parent.glob(f"{name}*"):
        drop_folder(left)
    return Path(tempfile.mkdtemp(dir=parent, prefix=f"{name}-"))


def drop_folder(folder: Path) -> None:
    """Remove a job's folder, if it is there."""
    # A job that outlived its trainer may still write into it.
    shutil.rmtree(folder, ignore_errors=True)
