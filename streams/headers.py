"""Message headers: one line each, whatever text an error or a payload put into them.

>>> clean({"Assay-Error": "bad\\r\\nNats-Rollup: all"}, None)
{'Assay-Error': 'bad  Nats-Rollup: all'}
>>> clean(None, "a:1:0")
{'Nats-Msg-Id': 'a:1:0'}
"""

import re
from collections.abc import Mapping
from hashlib import blake2b
from urllib.parse import quote

from streams.bus import HEADER_ID
from streams.errors import BusError

HEADER_VALUE_CHARS_MAX = 1024
MSG_ID_CHARS_MAX = 1024
ID_PART_CHARS_MAX = 512
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
        if not 0 < len(msg_id) <= MSG_ID_CHARS_MAX or not msg_id.isprintable() or " " in msg_id:
            raise BusError(
                f"a msg_id is 1 to {MSG_ID_CHARS_MAX} printable characters without spaces, "
                f"was {msg_id[:64]!r}"
            )
        cleaned[HEADER_ID] = msg_id
    for name, value in (headers or {}).items():
        if not _NAME.fullmatch(name) or (name == HEADER_ID and msg_id is not None):
            raise BusError(f"a header is named by letters, digits and -, was {name[:64]!r}")
        cleaned[name] = _one_line(value)
    return cleaned or None


def _one_line(value: str) -> str:
    value = value[:HEADER_VALUE_CHARS_MAX]
    if not value.isprintable():
        value = "".join(char if char.isprintable() else " " for char in value)
    return value.strip()
