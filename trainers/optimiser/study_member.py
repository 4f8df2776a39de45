"""Who works on a study, and whether he still lives.

A process on this machine is looked up by its number and the time it began. Of one elsewhere only
its pulse is known, a number that it counts up every PULSE_S: who stands still for SILENT_S of the
observer's own time is dead, whatever anybody's clock says.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Column, Connection, Engine, MetaData, Table, select

from streams.errors import DataError
from trainers.database.engine import INT64, TEXT, insert_new, reading, writing
from trainers.database.migration import migrate

PULSE_S = 5.0
SILENT_S = 60.0

ZOMBIE = "Z"

_SCHEMA = "study_members"
_members = Table(
    "study_members",
    MetaData(),
    Column("member", TEXT, primary_key=True),
    Column("pulse", INT64, nullable=False),
    sqlite_strict=True,
)


def member_name(number: int = 0) -> str:
    """Return the name of this process: machine, number, time of its beginning, and `number`."""
    return f"{_machine()}|{os.getpid()}|{_began(os.getpid())}|{number}"


def is_dead_here(member: str) -> bool:
    """Whether a member was a process of this machine, and is one no longer."""
    machine, pid, began, _ = (*member.split("|"), "", "", "")[:4]
    if machine != _machine() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    # The number of a process is given to another one in time.
    return bool(began) and _began(int(pid)) != began


class Pulse:
    """Counts up while it is entered, in a thread of its own."""

    def __init__(self, engine: Engine, member: str) -> None:
        migrate(engine, _SCHEMA, (_create_members,))
        self._engine = engine
        self._member = member
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        with writing(self._engine) as connection:
            insert_new(connection, _members, [{"member": self._member, "pulse": 0}])
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        statement = (
            _members.update()
            .where(_members.c.member == self._member)
            .values(pulse=_members.c.pulse + 1)
        )
        while not self._ended.wait(PULSE_S):
            # A database that is away for a moment misses a beat; SILENT_S is many of them.
            with contextlib.suppress(DataError), writing(self._engine) as connection:
                connection.execute(statement)


class Watch:
    """Tells which members have died; `now_s` is a monotonic time in seconds."""

    def __init__(self, engine: Engine, now_s: Callable[[], float]) -> None:
        migrate(engine, _SCHEMA, (_create_members,))
        self._engine = engine
        self._now_s = now_s
        self._seen: dict[str, tuple[int, float]] = {}

    def dead_among(self, members: set[str]) -> set[str]:
        """Return those of `members` that are known to be dead."""
        if not members:
            return set()
        dead = {member for member in members if is_dead_here(member)}
        elsewhere = {m for m in members - dead if not m.startswith(f"{_machine()}|")}
        if not elsewhere:
            return dead
        query = select(_members.c.member, _members.c.pulse).where(_members.c.member.in_(elsewhere))
        with reading(self._engine) as connection:
            pulses = {row.member: int(row.pulse) for row in connection.execute(query)}
        now_s = self._now_s()
        for member in elsewhere:
            pulse = pulses.get(member, -1)
            seen, since_s = self._seen.get(member, (None, now_s))
            if seen != pulse:
                self._seen[member] = (pulse, now_s)
            elif now_s - since_s >= SILENT_S:
                dead.add(member)
        return dead


@lru_cache(maxsize=1)
def _machine() -> str:
    """This machine, or this container on it, whose processes have numbers of their own."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        space = boot = ""
    return f"{socket.gethostname()}{space}{boot}".replace("|", "")


def _began(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The name before the last bracket may hold anything.
    fields = stat.rpartition(")")[2].split()
    # Killed, and its parent has not asked for it yet.
    return "" if fields[0] == ZOMBIE else fields[19]


def _create_members(connection: Connection) -> None:
    _members.create(connection)
