"""What a role's process holds beside its state, kept small.

A role loads a compiler to load its kernels, then never compiles again; it reads a backlog once,
then a message at a time. What that leaves behind is given back here, and what is never used is
not loaded. Where a system has no such means (the calls are Linux's and glibc's), nothing is done.
"""

import asyncio
import ctypes
import gc
import mmap
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TRIM_EVERY_S = 2.0
TRIM_GROWN_BYTES = 8 * 1024 * 1024

COMPILER_LIBRARY = "libllvmlite"

_MAPPINGS = Path("/proc/self/smaps")
_PAGES = Path("/proc/self/statm")
_MADV_DONTNEED = 4


def leave_out_scipy() -> None:
    """Make `import scipy` fail in this process; to be called before numba is imported.

    Numba imports it where it can, for linear algebra that no kernel of ours has: 14 MiB and a
    tenth of a second. A role that must not use scipy is so told if it does.
    """
    sys.modules.setdefault("scipy", None)  # type: ignore[arg-type]  # None: "halt the import"


def prepare() -> None:
    """Make ready to load: nothing of what is loaded is garbage, so none is looked for."""
    gc.disable()


def settle() -> None:
    """Give back what was needed to load; to be called when all kernels are loaded.

    What is alive now stays until the end: no collection needs to look at it again, which would
    stop the role for a tenth of a second.
    """
    gc.freeze()
    gc.enable()
    _release_compiler()


async def keep_trimmed() -> None:
    """Give freed memory back to the system after each growth, until cancelled.

    A backlog leaves holes in the heap that are never needed again. A role that does not grow is
    not disturbed; a trim takes one to three milliseconds.
    """
    kept = _resident_bytes()
    while True:
        await asyncio.sleep(TRIM_EVERY_S)
        resident = _resident_bytes()
        kept = min(kept, resident)
        if resident > kept + TRIM_GROWN_BYTES:
            _call("malloc_trim", ctypes.c_size_t(0))
            kept = _resident_bytes()


def _resident_bytes() -> int:
    """Resident memory of this process, 0 where the system does not tell."""
    try:
        return int(_PAGES.read_text().split()[1]) * mmap.PAGESIZE
    except OSError:
        return 0


def _release_compiler() -> None:
    """Unmap the compiler's pages; whoever compiles again gets them back from the file.

    Only pages that are the file's own: what the loader has written into is not in it.
    """
    try:
        lines = _MAPPINGS.read_text().splitlines()
    except OSError:
        return
    for start, end in _unwritten(lines, COMPILER_LIBRARY):
        _call("madvise", ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_DONTNEED)


def _unwritten(lines: list[str], library: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of a library's read-only mappings that hold no page of our own."""
    start = end = 0
    for line in lines:
        fields = line.split()
        if not fields[0].endswith(":"):
            is_wanted = "w" not in fields[1] and Path(fields[-1]).name.startswith(library)
            start, end = (int(part, 16) for part in fields[0].split("-")) if is_wanted else (0, 0)
        elif end and fields[:2] == ["Anonymous:", "0"]:
            yield start, end


def _call(function: str, *arguments: Any) -> None:
    """Call a function of the C library, if it has it; what it answers does not matter."""
    called = getattr(ctypes.CDLL(None), function, None) if sys.platform == "linux" else None
    if called is not None:
        called(*arguments)
