"""The NATS client, with a short way in and a short way out for what passes in masses.

nats-py hands every message to a queue and a task of its subscription, and every command to a task
that writes. Here a listener's messages are taken out of the bytes where they arrive
(`streams.direct_reader`), and whole commands go to the socket at once. Everything else, and
whatever does not look as expected, goes nats-py's way.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport
from nats.errors import ConnectionClosedError
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

from streams.direct_reader import DirectReader, Handler
from streams.nats_client import PatientClient
from streams.waiting import end_tasks


class DirectClient(PatientClient):
    """A `PatientClient` whose listeners are called as messages arrive, in order."""

    def __init__(self) -> None:
        super().__init__()
        self._handlers: dict[bytes, Handler] = {}
        self._told: set[asyncio.Task[None]] = set()
        self._gathered: list[bytes] = []
        # While nats-py works on earlier bytes, later ones stand in line behind them.
        self.is_behind = False
        self._parser = _NotingParser(self)
        self._ps = self._parser

    async def listen(self, inbox: str, handler: Handler) -> Subscription:
        """Call `handler` for every message on `inbox`, which nobody knows yet."""
        subscription = await self.subscribe(inbox, pending_msgs_limit=0, pending_bytes_limit=0)
        self._handlers[b"%d" % subscription._id] = handler
        return subscription

    async def unlisten(self, subscription: Subscription) -> None:
        """End what `listen` began."""
        self._handlers.pop(b"%d" % subscription._id, None)
        await subscription.unsubscribe()

    def write(self, command: bytes) -> None:
        """Write a whole command. Without a connection it is dropped: who must know, waits.

        Raises nats.errors.ConnectionClosedError when the connection is gone for good.
        """
        if self.is_closed:
            raise ConnectionClosedError
        if not self.is_connected:
            return
        if not self._gathered:
            asyncio.get_running_loop().call_soon(self._write_gathered)
        self._gathered.append(command)

    def _write_gathered(self) -> None:
        commands, self._gathered = self._gathered, []
        if commands and self.is_connected and self._transport is not None:
            # A socket that broke a moment ago: nats-py is about to hear of it.
            with contextlib.suppress(RuntimeError):
                # What nats-py has not written yet was said before.
                self._transport.write(b"".join([*self._pending, *commands]))
            self._pending = []
            self._pending_data_size = 0

    async def _send_ping(self, future: "asyncio.Future[Any] | None" = None) -> None:
        # Its answer says that all before it was taken.
        self._write_gathered()
        await super()._send_ping(future)

    async def _read_loop(self) -> None:
        transport = self._transport
        if isinstance(transport, TcpTransport):
            reader: Any = transport._io_reader
            self._parser.reader = reader
            self.is_behind = bool(reader._buffer)
            reader.feed_data = self._way_in(transport, reader.feed_data)
        await super()._read_loop()

    def _way_in(
        self, transport: TcpTransport, feed: Callable[[bytes], None]
    ) -> Callable[[bytes], None]:
        """Return what takes the bytes of one connection, instead of nats-py's reader."""
        direct = DirectReader(self._handlers, self._tell)

        def take(data: bytes) -> None:
            if not self.is_behind and self.is_connected and self._transport is transport:
                data = direct.take(data)
                if not data:
                    return
                self.is_behind = True
            feed(data)

        return take

    async def _attempt_reconnect(self) -> None:
        # What a silent server has not taken would be waited for, for ever.
        transport = self._transport
        if isinstance(transport, TcpTransport) and transport._io_writer is not None:
            transport._io_writer.transport.abort()
        await super()._attempt_reconnect()

    async def end_reconnecting(self) -> None:
        """Return when nobody looks for the server any more; to be called when closed.

        The library cancels that task once, and loses that where a try fails at the same moment.
        """
        task = self._reconnection_task
        if task is not None and task is not asyncio.current_task():
            await end_tasks([task])

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: Any
    ) -> None:
        handler = self._handlers.get(b"%d" % sid)
        if handler is None:
            await super()._process_msg(sid, subject, reply, data, headers)
            return
        try:
            handler(subject, reply, data, headers or b"")
        except Exception as error:
            await self._error_cb(error)

    def _tell(self, error: Exception) -> None:
        async def tell() -> None:
            await self._error_cb(error)

        task = asyncio.get_running_loop().create_task(tell())
        self._told.add(task)
        task.add_done_callback(self._told.discard)


class _NotingParser(Parser):
    """nats-py's parser; it notes when nothing is left for it."""

    def __init__(self, client: DirectClient) -> None:
        super().__init__(client)
        self.reader: Any = None

    async def parse(self, data: bytes = b"") -> None:
        await super().parse(data)
        if self.reader is None:
            return
        if not self.buf and self.state == AWAITING_CONTROL_LINE and not self.reader._buffer:
            self.nc.is_behind = False
