"""Named limits of the bus, the same for both implementations, and the shape of a key."""

import re

from streams.errors import BusError

MESSAGE_BYTES_MAX = 4 * 1024 * 1024
"""Largest message a bus takes: a payload of the contract with its headers, and DLQ copies."""

SENDS_IN_FLIGHT_MAX = 2048
SEND_BYTES_IN_FLIGHT_MAX = 16 * 1024 * 1024
PLAIN_BUFFER_MAX = 65_536
WORK_ACK_WAIT_S = 30.0
OBJECT_BYTES_MAX = 256 * 1024 * 1024

_KEY = re.compile(r"[A-Za-z0-9_%/-]+(\.[A-Za-z0-9_%/-]+)*")


def check_key(key: str) -> str:
    """Return `key` if it is subject tokens joined by dots; raises BusError."""
    if not _KEY.fullmatch(key):
        raise BusError(f"a key is subject tokens joined by dots, was {key!r}")
    return key
