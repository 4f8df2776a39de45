"""The inbox of one client: reads SCORED in order and hands its answers to who waits for them.

It reads no further than OPEN_ANSWERS_MAX answers ahead of what the engine has done: the stream
keeps the rest, and the lag shows it. Where SCORED is made anew it begins at its beginning; where
an answer names an INPUT that is not known it asks which one there is.
"""

import asyncio
import logging
from dataclasses import dataclass

from streams import topology
from streams.bus import Bus, Message, Subscription
from streams.deliveries import Deliveries
from streams.errors import BusError, WireError
from streams.events import Signal
from streams.marks import Mark
from streams.reply import Key, Reply, is_answer_to, key_of, read_reply
from streams.selection import Selection
from streams.waiting import wait_until_set

OPEN_ANSWERS_MAX = 4_096
FORMER_INCARNATIONS_MAX = 64
IDLE_S = 0.2
REOPEN_S = 30.0
REOPEN_PAUSE_S = 0.25

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Waiter:
    """Somebody waits for the answer to `signal`, as it is on the wire.

    `answer` becomes None where another signal of the same id was answered instead.
    """

    signal: Signal
    answer: asyncio.Future[Reply | None]

    def came(self) -> Reply | None:
        """Return the answer if it has come."""
        answer = self.answer
        if not answer.done() or answer.cancelled() or answer.exception() is not None:
            return None
        return answer.result()


class Inbox:
    """Reads on in a task of its own between `open` and `close`."""

    def __init__(self, bus: Bus, deliveries: Deliveries, selection: Selection) -> None:
        self.refused = 0
        self.closed = False
        self._bus = bus
        self._deliveries = deliveries
        self._selection = selection
        self._subscription: Subscription | None = None
        self._reader: asyncio.Task[None] | None = None
        self._waiters: dict[Key, Waiter] = {}
        self._former: set[str] = set()
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._error: BaseException | None = None

    @property
    def is_full(self) -> bool:
        """Whether nothing more is read before the engine is done with something."""
        return self._deliveries.held >= OPEN_ANSWERS_MAX

    async def open(self) -> None:
        """Begin to read behind the position of the deliveries. Raises BusError."""
        self._subscription = await self._read_from(self._deliveries.read_seq + 1)
        self._reader = asyncio.create_task(self._read(self._subscription))
        self._reader.add_done_callback(self._ended)

    async def close(self) -> None:
        """Stop reading; who still waits gets BusError."""
        self.closed = True
        self._fail(BusError("the client is closed"))
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        if self._subscription is not None:
            await self._subscription.close()

    def check(self) -> None:
        """Raise BusError when nothing can be read any more."""
        if self._error is not None:
            raise BusError(f"the answers cannot be read any more: {self._error}")

    async def next(self, timeout_s: float) -> Reply | None:
        """Return the next answer, or None when none came within `timeout_s` or at the close."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not self.closed:
            reply = self._deliveries.next()
            if reply is not None:
                return reply
            self.check()
            self._arrived.clear()
            remaining = deadline - asyncio.get_running_loop().time()
            if not await wait_until_set(self._arrived, remaining):
                break
        return None

    def take_back(self, reply: Reply) -> None:
        """Make an answer that was handed out, and is not done, ready to come again."""
        self._deliveries.give_back(reply)
        self._arrived.set()

    def done(self, reply: Reply) -> Mark | None:
        """Note that `reply` has had its effect; return the mark to keep, if it is a new one."""
        mark = self._deliveries.done(reply)
        self._room.set()
        return mark

    def is_expected(self, key: Key) -> bool:
        """Return whether somebody waits for the answer to this signal."""
        return key in self._waiters

    def expect(self, signal: Signal) -> Waiter:
        """Let the answer to `signal` come to the waiter that is returned, until `forget`."""
        waiter = Waiter(signal, asyncio.get_running_loop().create_future())
        self._waiters[key_of(signal)] = waiter
        return waiter

    def forget(self, waiter: Waiter) -> None:
        """End what `expect` began."""
        del self._waiters[key_of(waiter.signal)]

    async def _read_from(self, seq: int) -> Subscription:
        return await self._bus.read(topology.SCORED, seq, self._selection.subjects)

    async def _read(self, subscription: Subscription) -> None:
        while True:
            try:
                batch = await subscription.next_batch(IDLE_S)
            except BusError as error:
                subscription = await self._read_anew(subscription, error)
                continue
            for message in batch:
                while self.is_full:
                    self._room.clear()
                    await self._room.wait()
                await self._take(message)

    async def _take(self, message: Message) -> None:
        if not self._selection.takes(message.subject):
            self._deliveries.read_to(message.seq)
            return
        try:
            reply, answer_id = read_reply(message)
        except WireError as error:
            self.refused += 1
            self._deliveries.read_to(message.seq)
            logger.warning("SCORED %d (%s) is no answer: %s", message.seq, message.subject, error)
            return
        await self._learn(answer_id.incarnation)
        if not self._deliveries.add(reply, answer_id):
            return
        waiter = self._waiters.get(reply.key)
        if waiter is None or waiter.answer.done():
            self._arrived.set()
        elif is_answer_to(reply, waiter.signal):
            self._deliveries.claim(reply)
            waiter.answer.set_result(reply)
        else:
            waiter.answer.set_result(None)
            self._arrived.set()

    async def _learn(self, incarnation: str) -> None:
        """Ask which INPUT there is when an answer names one that is not known."""
        if incarnation == self._deliveries.current or incarnation in self._former:
            return
        current = await self._within_reopen(topology.INPUT)
        if current != self._deliveries.current:
            self._former.clear()
            self._deliveries.renew(current)
        if incarnation != current:
            if len(self._former) >= FORMER_INCARNATIONS_MAX:
                self._former.clear()
            self._former.add(incarnation)

    async def _read_anew(self, old: Subscription, error: BusError) -> Subscription:
        """Read SCORED from its beginning if it was made anew; raises `error` if it was not."""
        logger.warning("reading the answers ended: %s", error)
        stream = await self._within_reopen(topology.SCORED)
        if stream == self._deliveries.stream:
            raise error
        await old.close()
        self._subscription = await self._read_from(1)
        self._deliveries.read_anew(stream)
        return self._subscription

    async def _within_reopen(self, stream: str) -> str:
        """Return a stream's incarnation, waiting REOPEN_S for a server that cannot say it yet."""
        deadline = asyncio.get_running_loop().time() + REOPEN_S
        while True:
            try:
                return await self._bus.incarnation(stream)
            except BusError:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(REOPEN_PAUSE_S)

    def _ended(self, reader: asyncio.Task[None]) -> None:
        if not reader.cancelled() and (error := reader.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._error = error
        self._arrived.set()
        for waiter in self._waiters.values():
            if not waiter.answer.done():
                waiter.answer.set_exception(BusError(f"no answer can come: {error}"))
