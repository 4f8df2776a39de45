"""A bounded buffer between one producer and one `next_batch` caller."""

import asyncio
from collections import deque

from streams.bus import Message

BATCH_MAX = 1024


class Buffer:
    """Messages that arrived and wait to be taken, oldest first.

    `bytes` is what they hold, headers and all. `wait` costs one future and one timer, not a task:
    it is on the path of every live signal.
    """

    def __init__(self) -> None:
        self.messages: deque[Message] = deque()
        self.bytes = 0
        self._sizes: deque[int] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._events: tuple[asyncio.Event, ...] = ()

    def __len__(self) -> int:
        return len(self.messages)

    def add(self, message: Message, header_bytes: int = 0) -> None:
        """Append a message, which has so many bytes of headers, and wake the taker."""
        size = len(message.payload) + header_bytes
        self.messages.append(message)
        self._sizes.append(size)
        self.bytes += size
        self.wake()

    def wake(self) -> None:
        """Let a waiting taker look, whether or not there is something."""
        for event in self._events:
            event.set()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def tell(self, event: asyncio.Event) -> None:
        """Set `event` with every `wake` from now on, and at once when something is there."""
        self._events += (event,)
        if self.messages:
            event.set()

    def take(self) -> list[Message]:
        """Return up to BATCH_MAX messages without waiting."""
        messages = self.messages
        if len(messages) <= BATCH_MAX:
            batch = list(messages)
            messages.clear()
            self._sizes.clear()
            self.bytes = 0
        else:
            batch = [messages.popleft() for _ in range(BATCH_MAX)]
            self.bytes -= sum(self._sizes.popleft() for _ in batch)
        return batch

    async def wait(self, timeout_s: float) -> None:
        """Return when something is there, when woken, or after `timeout_s`."""
        if self.messages or timeout_s <= 0:
            return
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(timeout_s, self.wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None
