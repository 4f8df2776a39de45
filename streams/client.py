"""The client of a trading engine in Python: answers in order, each with one effect; and `score`.

    client = await Client.connect("nats://127.0.0.1:4222", marks=FileMarks(Path("engine.marks")))
    async with client:
        async for reply in client.answers():
            act_on(reply.scored)

The client reads SCORED by position, scored and rejected together, and keeps a mark per strategy
and symbol. An answer at or below its mark is dropped: what is delivered again after a crash,
and what a scorer that was taken over repeats, has no second effect.

What a crash of the engine leaves depends on when the mark is kept:

- `done(reply)`, and a loop over `answers()` when it asks for the next one, keep the mark after
  the effect. An answer whose `done` returned never comes again; an engine that is killed between
  effect and `done` gets that one answer again: at least once.
- An engine with a database makes it exactly once: it writes `mark_after(reply)` in the
  transaction of its effect, and gives the client a `MarkStore` whose `load` reads those rows
  and whose `save` does nothing.

The same holds for a fallback that `score` returned: once it is `done`, its late answer is known
as late also after a crash.

A broker must let an engine publish `signals.raw.<strategy>.>`, ask for the state of INPUT and
SCORED, and make and read its own consumers on SCORED. Loads msgspec and nats-py, no numpy.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from streams import codec, subjects, topology
from streams.bus import Bus
from streams.codec import Encoding
from streams.deliveries import Deliveries
from streams.errors import MarkError, WireError
from streams.events import Signal
from streams.headers import id_part
from streams.inbox import IDLE_S, Inbox, Waiter
from streams.marks import Mark, MarkStore, MemoryMarks
from streams.nats_bus import NatsBus
from streams.reply import (
    BEHIND,
    CONFLICT,
    FALLBACKS,
    TIMEOUT,
    Fallback,
    Reply,
    fallback_reply,
    is_answer_to,
    key_of,
)
from streams.selection import Selection

Start = Literal["beginning", "now"]
Handler = Callable[[Reply], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Lag:
    """How far an engine is behind, in messages.

    `unread`: sequences of SCORED that were not read yet (answers to others count too, up to the
    scorer's next watermark). `waiting`: read and not handed out. `unmarked`: handed out and not
    done. `late`: signals decided by the fallback whose answer has not come. `repeats` and
    `refused` (no answers of the contract; the log says why): dropped since the client was opened.
    """

    unread: int
    waiting: int
    unmarked: int
    late: int
    repeats: int
    refused: int


class Client:
    """Answers for one engine. Made by `open` or `connect`; closed by `close` or `async with`."""

    def __init__(
        self,
        bus: Bus,
        deliveries: Deliveries,
        marks: MarkStore,
        selection: Selection,
        encoding: Encoding,
    ) -> None:
        self._bus = bus
        self._owned_bus: Bus | None = None
        self._deliveries = deliveries
        self._marks = marks
        self._selection = selection
        self._encoding: Encoding = encoding
        self._inbox = Inbox(bus, deliveries, selection)
        self._answers: Answers | None = None
        self._saving = asyncio.Lock()

    @classmethod
    async def open(
        cls,
        bus: Bus,
        *,
        marks: MarkStore | None = None,
        strategies: str | Iterable[str] = (),
        symbols: str | Iterable[str] = (),
        start: Start = "beginning",
        encoding: Encoding = "json",
    ) -> "Client":
        """Begin to read behind what `marks` say is done; the bus stays the caller's.

        `strategies` and `symbols` say whose answers to take, by name; none is all. With marks
        kept under another selection SCORED is read from its beginning, and the marks drop what
        had its effect. `start` is where a store without marks begins: `now` takes only what is
        answered from here on. Without `marks` they last as long as the client.
        Raises BusError, and MarkError for marks that cannot be used.
        """
        if start not in ("beginning", "now"):
            raise ValueError(f"start must be 'beginning' or 'now', was {start!r}")
        store = MemoryMarks() if marks is None else marks
        selection = Selection(strategies, symbols)
        try:
            deliveries = await _resumed(bus, store, selection, start)
            client = cls(bus, deliveries, store, selection, encoding)
            await client._inbox.open()
        except WireError as error:
            await store.close()
            raise MarkError(f"the marks cannot be used: {error}") from None
        except BaseException:
            await store.close()
            raise
        return client

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        name: str = "engine",
        marks: MarkStore | None = None,
        strategies: str | Iterable[str] = (),
        symbols: str | Iterable[str] = (),
        start: Start = "beginning",
        encoding: Encoding = "json",
    ) -> "Client":
        """As `open`, over a connection of its own to the NATS server at `url`."""
        bus = await NatsBus.connect(url, name=name)
        try:
            client = await cls.open(
                bus,
                marks=marks,
                strategies=strategies,
                symbols=symbols,
                start=start,
                encoding=encoding,
            )
        except BaseException:
            await bus.close()
            raise
        client._owned_bus = bus
        return client

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def answers(self) -> "Answers":
        """Iterate over the answers, oldest first; asking for the next says the last is done.

        An answer that is not done when its loop is left comes first in the next one: after a
        `break` that follows the effect, call `done`. One loop at a time: a second takes over.
        The loop ends when the client is closed, and raises BusError when nothing can be read
        any more, MarkError when a mark cannot be kept.
        """
        if self._answers is not None:
            self._answers.leave()
        self._answers = Answers(self, self._inbox)
        return self._answers

    async def run(self, handler: Handler, stop: asyncio.Event | None = None) -> None:
        """Await `handler` with each answer, in order, until `stop` is set or the client closed.

        What the handler raises ends the run; its answer is not done and comes again.
        """
        answers = self.answers()
        while not self._inbox.closed and not (stop is not None and stop.is_set()):
            reply = await answers.next(IDLE_S)
            if reply is not None:
                await handler(reply)
                await answers.finish()

    async def score(
        self, signal: Signal, timeout_s: float, *, fallback: Fallback = "pass_through"
    ) -> Reply:
        """Publish `signal` and return its answer, or after `timeout_s` the engine's fallback.

        Call `done` with what is returned after its effect. The fallback lets the signal through
        or blocks it, with reason `timeout` (and `behind` where so many answers are not done that
        none can be read). The answer that comes later goes to `answers()`, with `late` set; one
        that is returned here does not. Where another signal of the same id was answered, this
        one never will be: the fallback with reason `signal_id_conflict`, at once.

        Raises ValueError for a signal that was decided before or that the client's selection
        leaves out, WireError for one that is none by the contract, BusError when it cannot be
        published or nothing can be read any more.
        """
        payload, sent = self._check_score(signal, timeout_s, fallback)
        ready = self._deliveries.waiting_for(key_of(sent))
        if ready is not None:
            if not is_answer_to(ready, sent):
                return fallback_reply(signal, fallback, (CONFLICT,))
            self._deliveries.claim(ready)
            return ready
        reply, is_timed_out = await self._ask(self._inbox.expect(sent), signal, payload, timeout_s)
        if reply is not None:
            return reply
        if not is_timed_out:
            return fallback_reply(signal, fallback, (CONFLICT,))
        self._deliveries.give_up(sent)
        reasons = (TIMEOUT, BEHIND) if self._inbox.is_full else (TIMEOUT,)
        return fallback_reply(signal, fallback, reasons)

    async def publish(self, signal: Signal) -> int:
        """Publish a raw signal, once however often it is tried; return its sequence in INPUT.

        The id it is sent with is made of its `signal_id` and its content: another signal under
        the same id reaches the scorer, which says so in the dead letters. Raises BusError.
        """
        return await self._publish(signal, codec.encode(signal, self._encoding))

    def mark_after(self, reply: Reply) -> Mark:
        """Return the mark to keep with the effect of `reply`, for engines that keep their own.

        Nothing changes: where the engine's transaction fails, the answer is still to be done.
        """
        return self._deliveries.mark_after(reply)

    async def done(self, reply: Reply) -> None:
        """Keep the mark: `reply` has had its effect. To say so again changes nothing.

        Raises MarkError when the mark cannot be kept.
        """
        if self._inbox.closed:
            raise MarkError("the client is closed: the answer comes again when one is opened")
        mark = self._inbox.done(reply)
        if mark is not None:
            async with self._saving:
                await self._marks.save(mark)

    async def lag(self) -> Lag:
        """Return how far the engine is behind. Raises BusError when the broker cannot be asked."""
        self._inbox.check()
        newest = await self._bus.last_seq(topology.SCORED)
        deliveries = self._deliveries
        return Lag(
            unread=max(0, newest - deliveries.read_seq),
            waiting=deliveries.ready,
            unmarked=deliveries.held - deliveries.ready,
            late=deliveries.late,
            repeats=deliveries.repeats,
            refused=self._inbox.refused,
        )

    async def close(self) -> None:
        """Stop reading and close the marks; loops over the answers end, `score` raises BusError."""
        if self._inbox.closed:
            return
        await self._inbox.close()
        async with self._saving:
            await self._marks.close()
        if self._owned_bus is not None:
            await self._owned_bus.close()

    async def _ask(
        self, waiter: Waiter, signal: Signal, payload: bytes, timeout_s: float
    ) -> tuple[Reply | None, bool]:
        """Publish and wait; return the answer, and whether there was none in time."""
        reply: Reply | None = None
        try:
            async with asyncio.timeout(timeout_s):
                await self._publish(signal, payload)
                reply = await waiter.answer
        except TimeoutError:
            # It may have come in the very turn of the loop that ended the wait.
            reply = waiter.came()
            return reply, reply is None
        finally:
            self._inbox.forget(waiter)
            unused = waiter.came()
            if reply is None and unused is not None:
                self._inbox.take_back(unused)
        return reply, False

    async def _publish(self, signal: Signal, payload: bytes) -> int:
        digest = blake2b(payload, digest_size=8).hexdigest()
        return await self._bus.publish(
            subjects.raw(signal.strategy, signal.symbol),
            payload,
            msg_id=f"signal:{id_part(signal.signal_id)}:{digest}",
        )

    def _check_score(self, signal: Signal, timeout_s: float, fallback: str) -> tuple[bytes, Signal]:
        self._inbox.check()
        if not (math.isfinite(timeout_s) and timeout_s > 0.0):
            raise ValueError(f"timeout_s must be finite and > 0 seconds, was {timeout_s}")
        if fallback not in FALLBACKS:
            raise ValueError(f"fallback must be one of {', '.join(FALLBACKS)}, was {fallback!r}")
        if not self._selection.holds(signal.strategy, signal.symbol):
            raise ValueError(
                f"this client takes no answers to {signal.strategy!r} on {signal.symbol!r}: open "
                "it with that strategy and symbol"
            )
        if self._inbox.is_expected(key_of(signal)):
            raise ValueError(f"signal {signal.signal_id!r} is being scored already")
        payload = codec.encode(signal, self._encoding)
        sent: Signal = codec.decode(payload)
        return payload, sent


class Answers:
    """The async iterator of `Client.answers`."""

    def __init__(self, client: Client, inbox: Inbox) -> None:
        self._client = client
        self._inbox = inbox
        self._in_hand: Reply | None = None
        self._left = False

    def __aiter__(self) -> "Answers":
        return self

    async def __anext__(self) -> Reply:
        while not self._left and not self._inbox.closed:
            reply = await self.next(IDLE_S)
            if reply is not None:
                return reply
        raise StopAsyncIteration

    async def next(self, timeout_s: float) -> Reply | None:
        """Say that the last is done; return the next, or None when none came in `timeout_s`."""
        await self.finish()
        self._in_hand = await self._inbox.next(timeout_s)
        return self._in_hand

    async def finish(self) -> None:
        """Say that the last is done."""
        reply, self._in_hand = self._in_hand, None
        if reply is not None and not self._inbox.closed:
            await self._client.done(reply)

    def leave(self) -> None:
        """End here; the last, where it is not done, is the next to come again."""
        self._left = True
        if self._in_hand is not None:
            self._inbox.take_back(self._in_hand)
            self._in_hand = None


async def _resumed(bus: Bus, store: MarkStore, selection: Selection, start: Start) -> Deliveries:
    """The deliveries as the marks left them. Raises WireError for ids that are none."""
    marks = await store.load()
    stream = await bus.incarnation(topology.SCORED)
    current = await bus.incarnation(topology.INPUT)
    newest = await bus.last_seq(topology.SCORED)
    if start == "now" and not marks:
        marks = [Mark(position=newest, stream=stream, scope=selection.scope)]
        await store.save(marks[0])
    positions = [
        mark.position
        for mark in marks
        if mark.stream == stream and (mark.scope == selection.scope or start == "now")
    ]
    position = max(positions, default=0)
    if position > newest:
        # A broker that lost its newest messages counts on from older ones: the marks drop what
        # had its effect.
        position = min(positions) if start == "now" else 0
    return Deliveries(
        marks,
        current=current,
        stream=stream,
        scope=selection.scope,
        position=position,
    )
