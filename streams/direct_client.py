"""The NATS client, with a short way in and a short way out for what passes in masses.

nats-py hands every message to a queue and a task of its subscription, and takes headers apart
and puts commands together field by field. A stream's messages and acknowledgements are handed
over here where they are parsed, and commands are put together in one go: about half the work.
"""

from collections.abc import Callable, Mapping
from typing import Any

from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError

from streams.nats_client import PatientClient

Handler = Callable[[str, str, bytes, Mapping[str, str]], None]
"""Takes subject, reply subject, payload and headers; it does not wait for anything."""

_NO_HEADERS: Mapping[str, str] = {}


class DirectClient(PatientClient):
    """A `PatientClient` whose listeners are called as messages arrive, in order."""

    def __init__(self) -> None:
        super().__init__()
        self._handlers: dict[int, Handler] = {}

    async def listen(self, inbox: str, handler: Handler) -> Subscription:
        """Call `handler` for every message on `inbox`, which nobody knows yet."""
        subscription = await self.subscribe(inbox, pending_msgs_limit=0, pending_bytes_limit=0)
        self._handlers[subscription._id] = handler
        return subscription

    async def unlisten(self, subscription: Subscription) -> None:
        """End what `listen` began."""
        self._handlers.pop(subscription._id, None)
        await subscription.unsubscribe()

    async def write(
        self, subject: str, payload: bytes, reply: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Publish with a reply subject. Subject and headers have been checked by the caller."""
        if self.is_closed:
            raise ConnectionClosedError
        if headers:
            lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
            block = f"NATS/1.0\r\n{lines}\r\n".encode()
            size = f"{len(block)} {len(block) + len(payload)}"
            command = f"HPUB {subject} {reply} {size}\r\n".encode() + block + payload + b"\r\n"
        else:
            command = f"PUB {subject} {reply} {len(payload)}\r\n".encode() + payload + b"\r\n"
        self.stats["out_msgs"] += 1
        self.stats["out_bytes"] += len(payload)
        await self._send_command(command)
        if self._flush_queue is not None and self._flush_queue.empty():
            await self._flush_pending()

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: Any
    ) -> None:
        handler = self._handlers.get(sid)
        if handler is None:
            await super()._process_msg(sid, subject, reply, data, headers)
            return
        self.stats["in_msgs"] += 1
        self.stats["in_bytes"] += len(data)
        found = await self._process_headers(headers) if headers else None
        try:
            handler(
                subject.decode(errors="backslashreplace"),
                reply.decode(errors="backslashreplace"),
                data,
                found or _NO_HEADERS,
            )
        except Exception as error:
            # As for a subscription's own task: an error here must not stop the reading.
            await self._error_cb(error)
