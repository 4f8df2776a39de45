"""Reads what the streams held of late, then what comes: a tail of each, and no more."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from streams.bus import Bus, Message, Subscription
from streams.errors import BusError, WireError
from streams.events import Event
from streams.intake import event_of
from streams.standing import ANSWER_S


class Tail(NamedTuple):
    """The newest `at_most` messages of a stream, those on `subjects` of them, and all that follow.

    `at_most` 0: from its beginning.
    """

    stream: str
    subjects: tuple[str, ...]
    at_most: int = 0


class StreamReader:
    """Hands every event of its tails to `take`, stream by stream in order. `open` before use."""

    def __init__(
        self, bus: Bus, tails: Sequence[Tail], take: Callable[[str, Event, Message], None]
    ) -> None:
        self._bus = bus
        self._tails = tails
        self._take = take
        self._subscriptions: list[tuple[str, Subscription]] = []
        self.cut: set[str] = set()

    async def open(self) -> None:
        """Read what there is. `cut` then names the streams whose beginning was left out."""
        await asyncio.gather(*map(self._open, self._tails))

    async def _open(self, tail: Tail) -> None:
        last = await self._bus.last_seq(tail.stream)
        start = max(1, last - tail.at_most + 1) if tail.at_most else 1
        if start > 1:
            self.cut.add(tail.stream)
        subscription = await self._bus.read(tail.stream, start, tail.subjects)
        self._subscriptions.append((tail.stream, subscription))
        newest = await self._bus.last_seq(tail.stream, tail.subjects)
        position = start - 1
        while position < newest:
            batch = await subscription.next_batch(ANSWER_S)
            if not batch:
                raise BusError(f"{tail.stream} stopped at {position} of {newest} while it was read")
            self._hand(tail.stream, batch)
            position = batch[-1].seq

    def read_on(self) -> None:
        """Hand over what has come since. Raises BusError when a stream is gone."""
        for stream, subscription in self._subscriptions:
            while batch := subscription.take():
                self._hand(stream, batch)

    async def close(self) -> None:
        """Stop reading."""
        for _, subscription in self._subscriptions:
            await subscription.close()

    def _hand(self, stream: str, batch: list[Message]) -> None:
        for message in batch:
            event = event_of(message)
            if not isinstance(event, WireError):
                self._take(stream, event, message)
