"""Driven replay: history through the stream, no faster than the slowest role can follow.

History comes as instants, or as blocks of many, which are several times quicker. The driver
publishes a batch when `engine.replays.replay_pace` lets it: signals then find their bars, and
retrains and swaps fall at the same event time in every run, so two replays publish the same bytes.

It returns when everything has gone through every role, and it knows so exactly: a role's progress
stands behind what it vouches for and names the position up to which the role has read. So from
the last bar on, the end of each stream is known when the role that writes it has read to the end
of the stream before. Nothing is waited for but the shells' word, which they give when idle.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from engine.replays.replay_batch import Batch, Instant, RawMessage, batches
from engine.replays.replay_pace import LABELLER, STRATEGIES, Pace
from streams import subjects, topology
from streams.block import Block
from streams.bus import Bus, Subscription
from streams.errors import BusError
from streams.events import Progress
from streams.intake import event_of
from streams.waiting import end_tasks, wait_until_set
from streams.watermark import Watermark

STALL_S = 300.0
POLL_S = 0.2

PROGRESS_STREAMS = {
    STRATEGIES: topology.INPUT,
    "scorer": topology.SCORED,
    LABELLER: topology.OUTCOMES,
    "drift": topology.DRIFT,
    "trainer": topology.DRIFT,
}
CHAIN = (("scorer", topology.INPUT), (LABELLER, topology.SCORED), ("drift", topology.OUTCOMES))

T = TypeVar("T")

log = logging.getLogger("assay.replay")


@dataclass(slots=True)
class ReplayCounts:
    """What a replay has published."""

    instants: int = 0
    bars: int = 0
    signals: int = 0
    newest_ts: int = 0


class ReplayDriver:
    """Publishes history into INPUT and paces itself on the progress of `roles`.

    `run_id` makes the ids of what this run publishes its own: a lost acknowledgement is asked for
    again without a second effect, a second run is not mistaken for the first. `delay_ns` is the
    retrain delay, or None where nothing is retrained; blocks must have been cut for it.
    `on_instant` is called behind every instant or block, for a view.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        roles: tuple[str, ...],
        run_id: str,
        delay_ns: int | None = None,
        as_frames: bool = True,
        stall_s: float = STALL_S,
        on_instant: Callable[[ReplayCounts], None] = lambda counts: None,
    ) -> None:
        unknown = set(roles) - set(PROGRESS_STREAMS)
        if unknown:
            raise ValueError(f"unknown roles {sorted(unknown)}, known: {sorted(PROGRESS_STREAMS)}")
        self.counts = ReplayCounts()
        self.watermarks = {role: Watermark() for role in roles}
        self._bus = bus
        self._roles = roles
        self._pace = Pace(self.watermarks, delay_ns)
        self._as_frames = as_frames
        self._stall_s = stall_s
        self._on_instant = on_instant
        self._run_id = run_id
        self._sent = 0
        self._moved = asyncio.Event()
        self._acknowledgement: asyncio.Task[int] | None = None
        self._last_bar_seq = 0

    async def drive(self, history: Iterable[Instant | Block]) -> ReplayCounts:
        """Publish everything, in order, and return when every role has followed to the end.

        An instant holds events of one ts; instants and blocks are time-ordered. Raises BusError
        when a role makes no progress for `stall_s`.
        """
        readers = await self._watch()
        try:
            if STRATEGIES in self._roles:
                # Bars that come before their first word would seem to have no signals.
                has_spoken = self.watermarks[STRATEGIES]
                await self._until(lambda: has_spoken.shards > 0, "the strategies' first word")
            for batch, following in _with_following(batches(history, as_frames=self._as_frames)):
                await self._learn_position()
                while (goal := self._pace.goal(batch.last_ts, batch.depth)) is not None:
                    await self._until(goal[1], goal[0])
                if self._pace.is_settling_due(batch.last_ts, batch.depth):
                    await self._drain()
                    self._pace.settle()
                await self._publish(batch, 0 if following is None else following.depth)
                self._on_instant(self.counts)
            await self._learn_position()
            await self._drain()
        finally:
            if self._acknowledgement is not None:
                await end_tasks((self._acknowledgement,))
            await end_tasks(task for task, _ in readers)
            for _, subscription in readers:
                await subscription.close()
        return self.counts

    async def _watch(self) -> list[tuple[asyncio.Task[None], Subscription]]:
        readers = []
        for role in self._roles:
            wanted = (f"progress.{subjects.token(role)}.>",)
            subscription = await self._bus.read(PROGRESS_STREAMS[role], 1, wanted)
            readers.append((asyncio.create_task(self._follow(subscription)), subscription))
        return readers

    async def _follow(self, subscription: Subscription) -> None:
        while True:
            for message in await subscription.next_batch(POLL_S):
                event = event_of(message)
                if isinstance(event, Progress):
                    self.watermarks[event.role].note(event)
                    self._moved.set()

    async def _publish(self, batch: Batch, next_depth: int) -> None:
        """Publish a batch; the next has bars to `next_depth`. Its last may be acknowledged."""
        messages = batch.bar_messages
        self._pace.publish(batch.last_ts, batch.depth)
        if messages and self._pace.is_mark_due(next_depth):
            for subject, payload in messages[:-1]:
                await self._bus.send(subject, payload, msg_id=self._next_id())
            self._acknowledgement = asyncio.create_task(self._stored(messages[-1]))
            # It begins, and is written behind what was sent before, before anything else is.
            await asyncio.sleep(0)
        else:
            for subject, payload in messages:
                await self._bus.send(subject, payload, msg_id=self._next_id())
        for subject, payload in batch.signal_messages:
            await self._bus.send(subject, payload, msg_id=self._next_id())
        counts = self.counts
        counts.instants += batch.instants
        counts.bars += batch.bars
        counts.signals += len(batch.signal_messages)
        counts.newest_ts = batch.last_ts

    async def _stored(self, message: RawMessage) -> int:
        return await self._bus.publish(*message, msg_id=self._next_id())

    def _next_id(self) -> str:
        self._sent += 1
        return f"replay:{self._run_id}:{self._sent}"

    async def _learn_position(self) -> None:
        if self._acknowledgement is not None:
            waiting, self._acknowledgement = self._acknowledgement, None
            self._last_bar_seq = await waiting
            self._pace.mark(self._last_bar_seq)

    async def _drain(self) -> None:
        """Wait until what was published, up to the last mark, has gone through every role."""
        await self._bus.flush()
        if STRATEGIES in self._roles:
            await self._read_up_to(STRATEGIES, self._last_bar_seq, "the last bar")
        for role, stream in CHAIN:
            if role in self._roles:
                last_seq = await self._bus.last_seq(stream)
                await self._read_up_to(role, last_seq, f"the end of {stream}")
            if role == LABELLER and role in self._roles:
                await self._until(self._has_labeller_all_bars, "the last bar")
        if LABELLER in self._roles and "drift" in self._roles:
            # It reads SCORED beside OUTCOMES, and its position tells of OUTCOMES alone.
            outcomes_ts = self.watermarks[LABELLER].event_ts
            await self._until(
                lambda: self.watermarks["drift"].event_ts >= outcomes_ts, "the last outcome"
            )
        if "trainer" in self._roles and "drift" in self._roles:
            drift_ts = self.watermarks["drift"].event_ts
            await self._until(
                lambda: self.watermarks["trainer"].event_ts >= drift_ts, "the last request"
            )

    def _has_labeller_all_bars(self) -> bool:
        return self.watermarks[LABELLER].input_seq >= self._last_bar_seq

    async def _read_up_to(self, role: str, seq: int, goal: str) -> None:
        await self._until(lambda: self.watermarks[role].seq >= seq, goal)

    async def _until(self, is_reached: Callable[[], bool], goal: str) -> None:
        loop = asyncio.get_running_loop()
        last_moved = loop.time()
        while not is_reached():
            self._moved.clear()
            if await wait_until_set(self._moved, POLL_S):
                last_moved = loop.time()
            elif loop.time() - last_moved > self._stall_s:
                raise BusError(self._stalled(goal))

    def _stalled(self, goal: str) -> str:
        standing = ", ".join(f"{role} at {mark.event_ts}" for role, mark in self.watermarks.items())
        return (
            f"no role has made progress for {self._stall_s:.0f} s while waiting for {goal} "
            f"({standing}): look at the roles' logs"
        )


def _with_following(items: Iterator[T]) -> Iterator[tuple[T, T | None]]:
    """Yield each item and the one behind it, which is made already; None behind the last."""
    for item in items:
        for following in items:
            yield item, following
            item = following
        yield item, None
