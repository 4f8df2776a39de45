"""The inlet of one feed: what has come and waits to be taken, and the last that was."""

from collections import deque
from collections.abc import Callable

from streams.bus import Message, Subscription
from streams.errors import WireError
from streams.events import Event
from streams.intake import event_of


class Inlet:
    """Reads ahead by one batch: what a subscription keeps for itself is bounded already.

    `seq` is the sequence of the last message that was taken; `foresee` is shown each batch when
    it comes in.
    """

    def __init__(
        self,
        stream: str,
        subscription: Subscription,
        seq: int,
        foresee: Callable[[list[Message]], None],
    ) -> None:
        self.stream = stream
        self.seq = seq
        self._subscription = subscription
        self._foresee = foresee
        self._messages: deque[Message] = deque()
        self._head: Event | WireError | None = None

    def has_next(self) -> bool:
        """Whether a message has come. Raises BusError when none will come any more."""
        if not self._messages:
            batch = self._subscription.take()
            if batch:
                self._foresee(batch)
                self._messages += batch
        return bool(self._messages)

    def head(self) -> tuple[Message, Event | WireError]:
        """Return the next message and its event, or why it is none."""
        message = self._messages[0]
        if self._head is None:
            self._head = event_of(message)
        return message, self._head

    def drop(self) -> None:
        """Let go of the head: it has been taken."""
        self.seq = self._messages.popleft().seq
        self._head = None

    async def close(self) -> None:
        """Stop reading."""
        await self._subscription.close()
