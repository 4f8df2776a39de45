"""The NATS client, made to outlive whatever a publisher may put on the wire.

A server passes on subjects and headers as they come. nats-py 2.16 stops reading, for good, at a
message whose subject is not UTF-8 or holds a vertical tab or form feed, or whose header block is
shorter than its first line; after a reconnect it meets the same message again. Here such a
message arrives like any other, and is refused for what it is.

nats-py also sends a PING past the commands that wait to be written, so that its `flush` returns
before they are: here a PING stands in line, and `flush` means what it says.
"""

import asyncio
import re
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.protocol import parser

HEADER_LINE = b"NATS/1.0\r\n"
PING = b"PING\r\n"

# The server splits a protocol line at spaces and tabs only, the parser at any white space.
_FIELD = rb"([^ \t\r\n]+)"
_REPLY = rb"(([^ \t\r\n]+)[ \t]+)?"
parser.MSG_RE = re.compile(rb"\AMSG[ \t]+%b[ \t]+%b[ \t]+%b(\d+)\r\n" % (_FIELD, _FIELD, _REPLY))
parser.HMSG_RE = re.compile(
    rb"\AHMSG[ \t]+%b[ \t]+%b[ \t]+%b(\d+)[ \t]+(\d+)\r\n" % (_FIELD, _FIELD, _REPLY)
)


class PatientClient(Client):
    """A `nats.aio.client.Client` that no message can stop."""

    async def _send_ping(self, future: "asyncio.Future[Any] | None" = None) -> None:
        self._pongs.append(asyncio.Future() if future is None else future)
        await self._send_command(PING)
        await self._flush_pending()

    async def _process_headers(self, headers: Any) -> dict[str, str] | None:
        if not headers or len(headers) <= len(HEADER_LINE):
            return None
        found: dict[str, str] | None = await super()._process_headers(headers)
        return found

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg:
        text = subject.decode(errors="backslashreplace").encode()
        message: Msg = super()._build_message(sid, text, reply, data, headers)
        return message
