"""Plain publish and subscribe on NATS: at most once, to whoever listens now."""

import asyncio
import logging

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription

from streams.buffer import Buffer
from streams.bus import Message
from streams.errors import BusError
from streams.limits import PLAIN_BUFFER_MAX

BUFFER_BYTES_MAX = 64 * 1024 * 1024

logger = logging.getLogger(__name__)


class PlainSubscription:
    """Listens to one subject; the newest messages are dropped, and counted, when it is full."""

    def __init__(self, connection: Client, subject: str) -> None:
        self.dropped = 0
        self._connection = connection
        self._subject = subject
        self._buffer = Buffer()
        self._subscription: NatsSubscription | None = None
        self._closed = False

    async def open(self) -> None:
        """Listen from the moment this returns."""
        self._subscription = await self._connection.subscribe(
            self._subject, cb=self._on_message, pending_msgs_limit=0, pending_bytes_limit=0
        )
        # Only an answered ping says that the server knows of the subscription.
        await self._connection.flush()

    async def next_batch(self, timeout_s: float) -> list[Message]:
        """Return what came, or [] when nothing came within `timeout_s`."""
        if self._closed:
            raise BusError(f"the subscription to {self._subject} is closed")
        await self._buffer.wait(timeout_s)
        if not self._buffer.messages and self._connection.is_closed:
            raise BusError(f"hearing {self._subject} ended: the connection is gone for good")
        return self._buffer.take()

    def take(self) -> list[Message]:
        """Return what came, or [], without waiting."""
        if self._closed:
            raise BusError(f"the subscription to {self._subject} is closed")
        if not self._buffer.messages and self._connection.is_closed:
            raise BusError(f"hearing {self._subject} ended: the connection is gone for good")
        return self._buffer.take()

    def wake(self, event: asyncio.Event) -> None:
        """Set `event` whenever a message arrives, and when the subscription ends."""
        self._buffer.tell(event)

    def end(self) -> None:
        """Let a waiting taker see that the connection is gone for good."""
        self._buffer.wake()

    async def close(self) -> None:
        """Stop listening."""
        if self._closed:
            return
        self._closed = True
        self._buffer.wake()
        if self._subscription is not None and not self._connection.is_closed:
            await self._subscription.unsubscribe()

    async def _on_message(self, message: Msg) -> None:
        if len(self._buffer) >= PLAIN_BUFFER_MAX or self._buffer.bytes >= BUFFER_BYTES_MAX:
            if not self.dropped:
                logger.warning("%s: nobody takes the messages, dropping them", self._subject)
            self.dropped += 1
            return
        self._buffer.add(Message(message.subject, message.data))
