"""A file that says which process is at something, for as long as that process lives."""

import contextlib
import os
import sys
from pathlib import Path
from typing import BinaryIO

from streams.errors import ConfigError

if sys.platform != "win32":
    import fcntl

PID_BYTES_MAX = 20


class FileLock:
    """Held by one owner at a time, in a folder that is there.

    The system lets go of it when the owner's process ends, however it ends: no lock is ever stale,
    and the file that is left behind says nothing. Where the system has no such locks, all get it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def take(self) -> bool:
        """Return whether it is this owner's now; ConfigError where the file cannot be written."""
        try:
            file = self.path.open("a+b")
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be written: {error.strerror}") from None
        if sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                return False
        with contextlib.suppress(OSError):
            file.truncate(0)
            file.write(str(os.getpid()).encode())
            file.flush()
        self._file = file
        return True

    def release(self) -> None:
        """Let go of it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def owner(self) -> str:
        """Return the process id that took it last, as it stands in the file; "" for none."""
        try:
            return self.path.read_bytes()[:PID_BYTES_MAX].decode("ascii", "replace").strip()
        except OSError:
            return ""
