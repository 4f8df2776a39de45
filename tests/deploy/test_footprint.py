"""What a role does not need is not loaded, or given back."""

import asyncio
import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from deploy import footprint
from tests.house import ROOT

MAPPINGS = """\
7f0000000000-7f0000001000 r--p 00000000 fe:00 11   /lib/libllvmlite.so
Rss:                   4 kB
Anonymous:             0 kB
VmFlags: rd mr mw me
7f0000001000-7f0000003000 r-xp 00001000 fe:00 11   /lib/libllvmlite.so
Anonymous:             0 kB
7f0000003000-7f0000004000 r--p 00003000 fe:00 11   /lib/libllvmlite.so
Anonymous:             4 kB
7f0000004000-7f0000005000 rw-p 00004000 fe:00 11   /lib/libllvmlite.so
Anonymous:             0 kB
7f0000005000-7f0000006000 r-xp 00000000 fe:00 12   /lib/libother.so
Anonymous:             0 kB
7f0000006000-7f0000007000 rw-p 00000000 00:00 0
Anonymous:             0 kB
"""
PROGRAM = """
import re, sys
from pathlib import Path
from deploy import footprint

def resident_kb():
    found = re.findall(r"libllvmlite.*?\\nRss: +(\\d+) kB", text(), re.DOTALL)
    return sum(map(int, found))

def text():
    lines = Path("/proc/self/smaps").read_text().splitlines()
    return "\\n".join(line for line in lines if "-" in line.split()[0] or line[:4] == "Rss:")

footprint.prepare()
import numpy as np
from models.context import CONTEXT_SIZE
from models.feature_set import load_feature_set
features = load_feature_set()
bars = np.full((300, 5), 100.0), np.zeros((300, CONTEXT_SIZE))
before = features.compute(np.arange(300), *bars)
compiler_kb = resident_kb()
footprint.settle()
after = features.compute(np.arange(300), *bars)
assert before.tobytes() == after.tobytes()
print(compiler_kb, resident_kb())
import numba
assert numba.njit(lambda x: x + 1)(1) == 2
"""


class Stop(Exception):
    """Ends a wait that has no end of its own."""


def test_only_pages_that_nobody_has_written_are_given_back():
    found = list(footprint._unwritten(MAPPINGS.splitlines(), "libllvmlite"))
    assert found == [(0x7F0000000000, 0x7F0000001000), (0x7F0000001000, 0x7F0000003000)]


@pytest.mark.skipif(sys.platform != "linux", reason="the means are Linux's")
def test_the_compiler_leaves_memory_and_comes_back_when_it_is_called():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    before_kb, after_kb = map(int, done.stdout.split())
    assert after_kb < before_kb / 4


def test_collections_pass_over_what_was_loaded():
    frozen = gc.get_freeze_count()
    footprint.prepare()
    try:
        assert not gc.isenabled()
        footprint.settle()
        assert gc.isenabled()
        assert gc.get_freeze_count() > frozen
    finally:
        gc.enable()
        gc.unfreeze()


def trims(monkeypatch: pytest.MonkeyPatch, resident_mib: list[int]) -> list[str]:
    """Run `keep_trimmed` over these readings, one a turn; return the calls it makes."""
    readings: Iterator[int] = iter(resident_mib)
    calls: list[str] = []

    async def no_wait(_: float) -> None:
        pass

    def resident() -> int:
        reading = next(readings, None)
        if reading is None:
            raise Stop
        return reading * 1024 * 1024

    monkeypatch.setattr(footprint, "_resident_bytes", resident)
    monkeypatch.setattr(footprint, "_call", lambda function, *_: calls.append(function))
    monkeypatch.setattr(footprint.asyncio, "sleep", no_wait)
    with pytest.raises(Stop):
        asyncio.run(footprint.keep_trimmed())
    return calls


def test_a_role_that_does_not_grow_is_not_disturbed(monkeypatch: pytest.MonkeyPatch):
    assert trims(monkeypatch, [100, 101, 107, 104, 108]) == []


def test_a_role_that_has_grown_is_trimmed_once(monkeypatch: pytest.MonkeyPatch):
    # The reading behind 130 is what is left of it.
    assert trims(monkeypatch, [100, 130, 120, 121, 127]) == ["malloc_trim"]


def test_growth_counts_from_the_least_that_was_held(monkeypatch: pytest.MonkeyPatch):
    assert trims(monkeypatch, [180, 120, 140, 125, 126]) == ["malloc_trim"]


def test_a_left_out_scipy_cannot_be_imported():
    program = "from deploy import footprint; footprint.leave_out_scipy(); import scipy"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "import of scipy halted" in done.stderr
