"""A folder that one process writes at a time."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.errors import ConfigError

if sys.platform != "win32":
    import fcntl

LOCK_FILE = ".lock"


@contextmanager
def own_folder(folder: Path, option: str) -> Iterator[None]:
    """Make the folder, and hold it while inside; a process that dies lets go of it.

    Raises ConfigError, which names `option`, for a folder that cannot be written, or that another
    process holds.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK_FILE).open("ab")
    except OSError as error:
        raise ConfigError(
            f"{option} must be a folder that can be written, was {folder}: {error.strerror}"
        ) from None
    with lock:
        if sys.platform != "win32":
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ConfigError(
                    f"another run writes to {folder}: wait until it ends, or name another {option}"
                ) from None
        yield
