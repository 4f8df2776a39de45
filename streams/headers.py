"""Message headers: one line each, whatever text an error or a payload put into them.

>>> clean({"Assay-Error": "bad\\r\\nNats-Rollup: all"}, None)
{'Assay-Error': 'bad  Nats-Rollup: all'}
>>> clean(None, "a:1:0")
{'Nats-Msg-Id': 'a:1:0'}
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from urllib.parse import quote

from streams.bus import HEADER_ID
from streams.errors import BusError

FIRST_LINE = "NATS/1.0"
STATUS = "Status"
DESCRIPTION = "Description"
HEADER_VALUE_CHARS_MAX = 1024
MSG_ID_CHARS_MAX = 1024
ID_PART_CHARS_MAX = 512
NAMES_KNOWN_MAX = 1024
_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")


def id_part(name: str) -> str:
    """Return `name` as a part of a message id: printable, without spaces, one to one.

    >>> id_part("ES 12-26:7")
    'ES%2012-26:7'
    """
    text = quote(name, safe=":/@+,=")
    if len(text) <= ID_PART_CHARS_MAX:
        return text
    return blake2b(name.encode(), digest_size=16).hexdigest()


def clean(headers: Mapping[str, str] | None, msg_id: str | None) -> dict[str, str] | None:
    """Return the headers to send, with the id first, or None when there are none.

    Characters that are not printable become spaces and long values are cut. Raises BusError
    for a name that is no header name, and for an id that could not arrive as it is.
    """
    cleaned: dict[str, str] = {}
    if msg_id is not None:
        cleaned[HEADER_ID] = _checked_id(msg_id)
    for name, value in (headers or {}).items():
        _check_name(name, msg_id)
        cleaned[name] = _one_line(value)
    return cleaned or None


def block_of(headers: Mapping[str, str] | None, msg_id: str | None) -> str:
    """Return what `clean` returns as it stands on the wire before the payload; "" for None.

    >>> block_of({"Assay-Role": "scorer"}, "a:1:0")
    'NATS/1.0\\r\\nNats-Msg-Id: a:1:0\\r\\nAssay-Role: scorer\\r\\n\\r\\n'
    """
    lines = "" if msg_id is None else f"{HEADER_ID}: {_checked_id(msg_id)}\r\n"
    for name, value in (headers or {}).items():
        _check_name(name, msg_id)
        # The id itself is often a header too.
        lines += f"{name}: {value if value is msg_id else _one_line(value)}\r\n"
    return f"{FIRST_LINE}\r\n{lines}\r\n" if lines else ""


def headers_in(block: bytes) -> dict[str, str]:
    """Return what a header block from the wire says; lines that are no headers are left out.

    A server's own word stands under STATUS and DESCRIPTION.

    >>> headers_in(b"NATS/1.0 100 Idle Heartbeat\\r\\nNats-Last-Stream: 7\\r\\n\\r\\n")
    {'Status': '100', 'Description': 'Idle Heartbeat', 'Nats-Last-Stream': '7'}
    """
    first, *lines = block.split(b"\r\n")
    found: dict[str, str] = {}
    status, _, description = first[len(FIRST_LINE) :].strip().partition(b" ")
    if status.isdigit():
        found[STATUS] = status.decode()
        if description:
            found[DESCRIPTION] = description.decode(errors="replace")
    for line in lines:
        name, colon, value = line.partition(b":")
        key = name.strip().decode("ascii", "replace")
        if colon and key.isascii() and not any(char.isspace() for char in key):
            found[key] = value.strip().decode(errors="replace")
    return found


class LazyHeaders(Mapping[str, str]):
    """The headers of a block, taken apart when somebody asks: most messages are never asked."""

    __slots__ = ("_block", "_found")

    def __init__(self, block: bytes) -> None:
        self._block = block
        self._found: dict[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return repr(self._all())

    def _all(self) -> dict[str, str]:
        if self._found is None:
            self._found = headers_in(self._block)
        return self._found


def _checked_id(msg_id: str) -> str:
    if not 0 < len(msg_id) <= MSG_ID_CHARS_MAX or not msg_id.isprintable() or " " in msg_id:
        raise BusError(
            f"a msg_id is 1 to {MSG_ID_CHARS_MAX} printable characters without spaces, "
            f"was {msg_id[:64]!r}"
        )
    return msg_id


def _check_name(name: str, msg_id: str | None) -> None:
    if not _is_name(name) or (name == HEADER_ID and msg_id is not None):
        raise BusError(f"a header is named by letters, digits and -, was {name[:64]!r}")


@lru_cache(maxsize=NAMES_KNOWN_MAX)
def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def _one_line(value: str) -> str:
    value = value[:HEADER_VALUE_CHARS_MAX]
    if not value.isprintable():
        value = "".join(char if char.isprintable() else " " for char in value)
    return value.strip()
