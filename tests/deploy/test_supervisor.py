"""The supervisor: roles come up together, crash and come back, and end with their parent."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from deploy import supervisor as supervisor_module
from deploy.supervisor import RoleFailed, Supervisor
from tests.deploy.running import is_alive

WELL = "import sys, time\nprint('ready x', flush=True)\ntime.sleep(60)"
DEAF = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WELL
DEAD = "import sys\nprint('no luck', file=sys.stderr)\nsys.exit(3)"
BRIEF = "print('ready x', flush=True)"


def command(program: str) -> tuple[str, ...]:
    return (sys.executable, "-c", program)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "BACKOFF_FIRST_S", 0.01)
    monkeypatch.setattr(supervisor_module, "BACKOFF_MAX_S", 0.02)
    monkeypatch.setattr(supervisor_module, "RESTARTS_MAX", 3)


async def until(condition: object) -> None:
    async with asyncio.timeout(20):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def test_roles_are_ready_inside_the_block_and_gone_after_it(tmp_path: Path):
    heard: list[str] = []
    commands = {"a": command(WELL), "b": command(WELL)}
    async with Supervisor(commands, tmp_path, heard.append) as running:
        pids = [process.pid for process in running.processes.values()]
        assert all(pid is not None and is_alive(pid) for pid in pids)
    assert not any(is_alive(pid) for pid in pids if pid is not None)
    assert sorted(line.split()[0] for line in heard) == ["a", "b"]


async def test_a_role_that_does_not_start_is_named_with_its_last_words(tmp_path: Path):
    well: list[str] = []
    with pytest.raises(RoleFailed, match=r"role bad did not start: no luck \(.*bad\.log\)"):
        async with Supervisor({"good": command(WELL), "bad": command(DEAD)}, tmp_path, well.append):
            raise AssertionError("unreachable")


async def test_a_killed_role_is_started_again(tmp_path: Path, quick: None):
    async with Supervisor({"a": command(WELL)}, tmp_path) as running:
        first = running.processes["a"].pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: running.restarts["a"] == 1 and running.processes["a"].running)
        assert running.processes["a"].pid != first
        running.check()


async def test_a_role_that_crashes_again_and_again_is_given_up(tmp_path: Path, quick: None):
    with pytest.raises(RoleFailed, match=r"role a ended with status 0.*given up after 3 restarts"):
        async with Supervisor({"a": command(BRIEF), "b": command(WELL)}, tmp_path) as running:
            await running.watch()


async def test_a_role_that_does_not_listen_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("deploy.role_process.STOP_TIMEOUT_S", 0.2)
    heard: list[str] = []
    async with Supervisor({"a": command(DEAF)}, tmp_path, heard.append) as running:
        pid = running.processes["a"].pid
    assert heard[-1] == "role a did not stop when asked and was killed"
    assert pid is not None
    assert not is_alive(pid)
