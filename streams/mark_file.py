"""Marks in a file: a journal of one line per mark, replaced as a whole when it has grown long.

A mark is one write at the end of the file, so a process that is killed has written it or not; a
last line that was cut short counts as not written. With `durability="power"` every mark is also
flushed to the disk before `save` returns.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import IO, Literal

import msgspec

if sys.platform != "win32":
    import fcntl

from streams.errors import MarkError
from streams.marks import Mark

JOURNAL_LINES_MIN = 4_096
JOURNAL_LINES_PER_MARK = 4


class FileMarks:
    """A `streams.marks.MarkStore` in the file `path`, for one process at a time.

    Everything raises MarkError when the file cannot be read, written or is held by another.
    """

    def __init__(self, path: Path, durability: Literal["process", "power"] = "process") -> None:
        self.path = path
        self._is_flushed = durability == "power"
        self._marks: dict[tuple[str, str], Mark] = {}
        self._lines = 0
        self._file: IO[bytes] | None = None
        self._lock: IO[bytes] | None = None
        self._encode = msgspec.json.Encoder().encode

    async def load(self) -> list[Mark]:
        """Take the file for this process and return its marks; a new file holds none."""
        if self._lock is not None:
            raise MarkError(f"{self.path} is in use by a client of this process: close it first")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = self._locked()
            self._marks = self._read()
            self._replace()
        except OSError as error:
            await self.close()
            raise MarkError(f"the marks in {self.path} cannot be used: {error}") from None
        except MarkError:
            await self.close()
            raise
        return list(self._marks.values())

    async def save(self, mark: Mark) -> None:
        """Append `mark`; raises MarkError when it is not on the file as a whole."""
        if self._file is None:
            raise MarkError(f"{self.path} is not open: load the marks first")
        self._marks[mark.strategy, mark.symbol] = mark
        try:
            if self._lines >= JOURNAL_LINES_MIN + JOURNAL_LINES_PER_MARK * len(self._marks):
                self._replace()
                return
            self._append(self._file, self._encode(mark) + b"\n")
            if self._is_flushed:
                await asyncio.to_thread(os.fsync, self._file.fileno())
        except OSError as error:
            raise MarkError(f"a mark could not be written to {self.path}: {error}") from None

    async def close(self) -> None:
        """Let another process have the file."""
        for file in (self._file, self._lock):
            if file is not None:
                file.close()
        self._file = self._lock = None

    def _append(self, file: IO[bytes], line: bytes) -> None:
        before = file.tell()
        written = file.write(line)
        if written != len(line):
            # A full disk takes part of a line: what follows must not continue it.
            file.truncate(before)
            file.seek(before)
            raise OSError(f"only {written} of {len(line)} bytes were taken")
        self._lines += 1

    def _read(self) -> dict[tuple[str, str], Mark]:
        if not self.path.exists():
            return {}
        lines = self.path.read_bytes().split(b"\n")
        decode = msgspec.json.Decoder(Mark).decode
        marks: dict[tuple[str, str], Mark] = {}
        # What stands behind the last line feed is nothing, or a line that was cut short.
        for number, line in enumerate(lines[:-1], 1):
            try:
                mark = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise MarkError(
                    f"{self.path}: line {number} is no mark ({error}); put a good copy back, or "
                    "remove the file to take every answer again"
                ) from None
            marks[mark.strategy, mark.symbol] = mark
        return marks

    def _replace(self) -> None:
        """Write the marks as they are into a new file and put it in the old one's place."""
        fresh = self.path.with_name(self.path.name + ".new")
        with fresh.open("wb") as file:
            file.writelines(self._encode(mark) + b"\n" for mark in self._marks.values())
            file.flush()
            os.fsync(file.fileno())
        if self._file is not None:
            self._file.close()
            self._file = None
        fresh.replace(self.path)
        if self._is_flushed and sys.platform != "win32":
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        self._file = self.path.open("r+b", buffering=0)
        self._file.seek(0, os.SEEK_END)
        self._lines = len(self._marks)

    def _locked(self) -> IO[bytes]:
        lock = self.path.with_name(self.path.name + ".lock").open("ab")
        if sys.platform != "win32":
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                raise MarkError(
                    f"the marks in {self.path} are held by another process: one engine has one "
                    "mark file"
                ) from None
        return lock
