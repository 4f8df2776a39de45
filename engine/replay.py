"""Driven replay: history through the stream, no faster than the slowest role can follow.

The driver never publishes an instant before every role has come within WINDOW_INSTANTS of it,
nor, when models are retrained, before every request that could change its scores has been
answered: a deployment takes effect `delay_ns` after the request, so the driver waits until the
trainer vouches for everything up to that long ago. Retrains and swaps therefore fall at the same
event time in every run, and two replays publish the same bytes.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from engine.bar_book import AS_OF_BARS_MAX
from streams import codec, subjects, topology
from streams.bus import Bus, Subscription
from streams.columns import pack_bars
from streams.errors import BusError
from streams.events import Bar, Progress, Signal
from streams.intake import event_of
from streams.waiting import end_tasks, wait_until_set

WINDOW_INSTANTS = AS_OF_BARS_MAX // 2
FRAME_BARS_MAX = 4_096
STALL_S = 300.0
POLL_S = 0.2
SETTLE_POLLS = 3

Instant = Sequence[Bar | Signal]

PROGRESS_STREAMS = {
    "strategies": topology.INPUT,
    "scorer": topology.SCORED,
    "labeller": topology.OUTCOMES,
    "drift": topology.DRIFT,
    "trainer": topology.DRIFT,
}
CHAIN = (("scorer", topology.INPUT), ("labeller", topology.SCORED), ("drift", topology.OUTCOMES))

log = logging.getLogger("assay.replay")


@dataclass(slots=True)
class ReplayCounts:
    """What a replay has published."""

    instants: int = 0
    bars: int = 0
    signals: int = 0
    newest_ts: int = 0


@dataclass(slots=True)
class Watermarks:
    """The newest progress of every shard of every role."""

    by_role: dict[str, dict[int, Progress]] = field(default_factory=dict)

    def note(self, progress: Progress) -> None:
        """Take a role's word; an older one than known changes nothing."""
        shards = self.by_role.setdefault(progress.role, {})
        known = shards.get(progress.shard)
        if known is None or (progress.event_ts, progress.seq) > (known.event_ts, known.seq):
            shards[progress.shard] = progress

    def event_ts(self, role: str) -> int:
        """The event time that the slowest shard of `role` vouches for, 0 when unheard of."""
        return min((p.event_ts for p in self.by_role.get(role, {}).values()), default=0)

    def seq(self, role: str) -> int:
        """The position of the slowest shard of `role` in the stream it reads."""
        return min((p.seq for p in self.by_role.get(role, {}).values()), default=0)


class ReplayDriver:
    """Publishes instants into INPUT and paces itself on the progress of `roles`.

    `run_id` makes the ids of what this run publishes its own: a lost acknowledgement is asked for
    again without a second effect, a second run is not mistaken for the first. `delay_ns` is the
    retrain delay, or None where nothing is retrained. `on_instant` is called
    behind every instant, for a view.
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
        self.watermarks = Watermarks()
        self._bus = bus
        self._roles = roles
        self._delay_ns = delay_ns
        self._as_frames = as_frames
        self._stall_s = stall_s
        self._on_instant = on_instant
        self._run_id = run_id
        self._sent = 0
        self._moved = asyncio.Event()
        self._recent: list[int] = []

    async def drive(self, instants: Iterable[Instant]) -> ReplayCounts:
        """Publish every instant, in order, and return when every role has followed to the end.

        Each instant holds events of one ts, time-ordered among instants. Raises BusError when
        a role makes no progress for `stall_s`.
        """
        readers = await self._watch()
        try:
            for instant in instants:
                if not instant:
                    continue
                await self._wait_for(instant[0].ts)
                await self._publish(instant)
                self._remember(instant)
                self._on_instant(self.counts)
            await self._bus.flush()
            await self._drain()
        finally:
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
                    self.watermarks.note(event)
                    self._moved.set()

    async def _wait_for(self, ts: int) -> None:
        """Wait until every role has come far enough for the instant at `ts` to go out."""
        recent = self._recent
        needed_ts = recent[-WINDOW_INSTANTS] if len(recent) >= WINDOW_INSTANTS else 0
        if self._delay_ns is not None and len(recent) >= 2 and ts > recent[-1]:
            # The newest instant that can be vouched for is the last but one: a role knows that
            # an instant is complete when it sees the next. A longer gap asks for no more.
            needed_ts = max(needed_ts, min(ts - self._delay_ns, recent[-2]))
        if needed_ts > 0:
            await self._until(lambda: self._slowest_ts() >= needed_ts, f"event time {needed_ts}")

    def _remember(self, instant: Instant) -> None:
        """Note an instant that roles will vouch for: only bars move their time."""
        ts = instant[0].ts
        is_new = not self._recent or ts > self._recent[-1]
        if is_new and any(isinstance(event, Bar) for event in instant):
            self._recent.append(ts)
            del self._recent[:-WINDOW_INSTANTS]

    def _slowest_ts(self) -> int:
        return min((self.watermarks.event_ts(role) for role in self._roles), default=2**63)

    async def _publish(self, instant: Instant) -> None:
        bars: dict[str, list[Bar]] = {}
        for event in instant:
            if isinstance(event, Bar):
                bars.setdefault(event.interval, []).append(event)
        for interval, group in bars.items():
            await self._publish_bars(interval, group)
        for event in instant:
            if isinstance(event, Signal):
                subject = subjects.raw(event.strategy, event.symbol)
                await self._send(subject, codec.encode(event))
                self.counts.signals += 1
        self.counts.instants += 1
        self.counts.newest_ts = instant[0].ts

    async def _publish_bars(self, interval: str, bars: list[Bar]) -> None:
        self.counts.bars += len(bars)
        if self._as_frames and len(bars) > 1:
            for start in range(0, len(bars), FRAME_BARS_MAX):
                frame = pack_bars(bars[start : start + FRAME_BARS_MAX])
                await self._send(subjects.frame(interval), codec.encode(frame, "msgpack"))
            return
        for bar in bars:
            await self._send(subjects.bar(interval, bar.symbol), codec.encode(bar))

    async def _send(self, subject: str, payload: bytes) -> None:
        self._sent += 1
        await self._bus.send(subject, payload, msg_id=f"replay:{self._run_id}:{self._sent}")

    async def _drain(self) -> None:
        """Wait until what was published has gone through every role."""
        if "strategies" in self._roles:
            last_ts = self._recent[-2] if len(self._recent) > 1 else 0
            await self._until(
                lambda: self.watermarks.event_ts("strategies") >= last_ts, "the last instant"
            )
        for role, stream in CHAIN:
            if role in self._roles:
                await self._settle(stream)
                last = await self._bus.last_seq(stream)
                await self._until(
                    lambda role=role, last=last: self.watermarks.seq(role) >= last,  # type: ignore[misc]
                    f"the end of {stream}",
                )
        if "trainer" in self._roles:
            drift_ts = self.watermarks.event_ts("drift")
            await self._until(
                lambda: self.watermarks.event_ts("trainer") >= drift_ts, "the last request"
            )
        for stream in (topology.SCORED, topology.OUTCOMES, topology.DRIFT):
            await self._settle(stream)

    async def _settle(self, stream: str) -> None:
        """Wait until a stream has stopped growing."""
        last, unchanged = -1, 0
        while unchanged < SETTLE_POLLS:
            await asyncio.sleep(POLL_S)
            now = await self._bus.last_seq(stream)
            unchanged = unchanged + 1 if now == last else 0
            last = now

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
        standing = ", ".join(f"{role} at {self.watermarks.event_ts(role)}" for role in self._roles)
        return (
            f"no role has made progress for {self._stall_s:.0f} s while waiting for {goal} "
            f"({standing}): look at the roles' logs"
        )
