"""A NATS server of our own, started and stopped with the process that needs it.

It listens on 127.0.0.1 only. Its folder (0700) holds the streams, the server's log and a lock
that lives as long as the server does.
"""

import atexit
import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Literal
from urllib.parse import urlparse

from streams.broker_binary import find_server
from streams.errors import BrokerError
from streams.limits import MESSAGE_BYTES_MAX

if sys.platform != "win32":
    import fcntl

Durability = Literal["process", "power"]

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
LOCK_WAIT_S = 2.0
POLL_S = 0.02
FILE_STORE_BYTES_MAX = 64 * 1024**3
LOG_BYTES_MAX = 16 * 1024 * 1024
LOG_TAIL_BYTES = 600

# `process`: acknowledged messages survive the death of any process; the disk is synced every
# two minutes. `power`: every message is synced before it is acknowledged, 0.5k to 4k a second.
SYNC_INTERVAL: dict[Durability, str] = {"process": '"2m"', "power": "always"}

# Between fork and exec a program with threads may not run Python, so the wish to die with the
# parent is set by a small child that then becomes the server (same pid, Linux only).
_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


class EmbeddedBroker:
    """A running NATS server: `url` is where, `pid` is who.

    Use `start`, or as a context manager: `with EmbeddedBroker.start(folder) as broker:`.
    On Linux the server ends when the thread that started it ends, however that happens: start
    it from the main thread. Elsewhere it ends with a regular exit of the process.
    """

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, url: str) -> None:
        self.url = url
        self.folder = folder
        self._process = process
        atexit.register(self.stop)

    @classmethod
    def start(
        cls, state_dir: Path, *, port: int = 0, durability: Durability = "process"
    ) -> "EmbeddedBroker":
        """Start a server on `state_dir`/broker and return when it can store messages.

        `port` 0 takes a free one. Raises BrokerError when no server is found, the folder is
        in use by another server, or the server does not come up.
        """
        server = find_server()
        folder = (state_dir / "broker").resolve()
        settings = _config(folder, port, durability)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        # The server inherits the open lock file: the lock is its own once ours is closed.
        with _locked(folder) as lock, (folder / "server.out").open("wb") as output:
            for stale in folder.glob("*.ports"):
                stale.unlink(missing_ok=True)
            config = folder / "server.conf"
            config.write_text(settings)
            process = _spawn([str(server), "--config", str(config)], output, lock)
            lock.write(f"process {process.pid}")
            lock.flush()
            try:
                url = _wait_until_ready(process, folder)
            except BaseException:
                process.kill()
                process.wait()
                raise
        return cls(process, folder, url)

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    @property
    def port(self) -> int:
        """The port that clients connect to."""
        return urlparse(self.url).port or 0

    @property
    def running(self) -> bool:
        """Whether the server process is alive."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the server in order; a second call does nothing."""
        atexit.unregister(self.stop)
        if not self.running:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the server as a crash would."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> "EmbeddedBroker":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _config(folder: Path, port: int, durability: Durability) -> str:
    if durability not in SYNC_INTERVAL:
        raise BrokerError(f"durability must be process or power, was {durability!r}")
    if not 0 <= port <= 65_535:
        raise BrokerError(f"port must be in [0, 65535], was {port}")
    quoted = json.dumps
    return f"""\
listen: "127.0.0.1:{port or -1}"
http: "127.0.0.1:-1"
server_name: "assay"
max_payload: {MESSAGE_BYTES_MAX}
ports_file_dir: {quoted(str(folder))}
log_file: {quoted(str(folder / "server.log"))}
logfile_size_limit: {LOG_BYTES_MAX}
jetstream {{
  store_dir: {quoted(str(folder))}
  max_file_store: {FILE_STORE_BYTES_MAX}
  sync_interval: {SYNC_INTERVAL[durability]}
}}
"""


def _locked(folder: Path) -> IO[str]:
    """Return the locked lock file, waiting a little for a server that is just ending."""
    lock = (folder / "lock").open("a+")
    if sys.platform == "win32":
        return lock
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() < deadline:
                time.sleep(POLL_S)
                continue
            lock.seek(0)
            holder = lock.read() or "of another process"
            lock.close()
            raise BrokerError(
                f"the folder {folder} is in use by the NATS server {holder}: stop it, connect "
                "to it by URL, or choose another state directory"
            ) from None
        lock.truncate(0)
        return lock


def _spawn(command: list[str], output: IO[bytes], lock: IO[str]) -> subprocess.Popen[bytes]:
    if sys.platform == "linux":
        stub = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid())]
        command = stub + command
    return subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=() if sys.platform == "win32" else (lock.fileno(),),
        # Ctrl-C reaches the whole group: the roles must still have a server to say goodbye to.
        start_new_session=True,
    )


def _wait_until_ready(process: subprocess.Popen[bytes], folder: Path) -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BrokerError(
                f"the NATS server ended with status {process.returncode}: {_last_words(folder)}"
            )
        ports = _ports(folder, process.pid)
        if ports is not None and _is_healthy(ports["monitoring"][0]):
            return ports["nats"][0]
        time.sleep(POLL_S)
    raise BrokerError(
        f"the NATS server was not ready within {START_TIMEOUT_S:.0f} s: {_last_words(folder)}"
    )


def _ports(folder: Path, pid: int) -> dict[str, list[str]] | None:
    for path in folder.glob(f"*_{pid}.ports"):
        try:
            ports: dict[str, list[str]] = json.loads(path.read_text())
        except ValueError:
            return None
        return ports if ports.get("nats") and ports.get("monitoring") else None
    return None


def _is_healthy(monitoring_url: str) -> bool:
    address = urlparse(monitoring_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=1.0)
    try:
        connection.request("GET", "/healthz?js-enabled-only=true")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _last_words(folder: Path) -> str:
    words = ""
    for name in ("server.out", "server.log"):
        path = folder / name
        if path.exists():
            words += path.read_text(errors="replace")[-LOG_TAIL_BYTES:]
    return " ".join(words.split()) or "it said nothing"
