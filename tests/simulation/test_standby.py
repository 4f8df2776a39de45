"""Two scorers of one shard: one publishes, the other goes on where it was lost."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager

import pytest

from engine.roles.scorer import ScorerRole
from engine.scorer import Scorer
from engine.settings import StrategySettings
from engine.shells.lease import Lease
from engine.shells.standby import Standby
from models.feature_set import load_feature_set
from models.registry import Registry
from streams import codec, subjects, topology
from streams.bus import HEADER_ID
from streams.clock import SystemClock
from streams.events import Bar
from streams.memory_bus import MemoryBus
from streams.session import session
from tests.engine.market import random_bars, signal_on

LEASE_S, RENEW_S = 0.3, 0.05
PLENTY_S = 30.0
ALPHA = StrategySettings(name="alpha", kind="external")
SYMBOLS = ("AAA", "BBB", "CCC")


class Wire(MemoryBus):
    """A handle that notes what is sent over it, and whose parts can stand still."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.sent: list[str] = []
        self.is_going = asyncio.Event()
        self.is_asking = asyncio.Event()
        self.is_reading = asyncio.Event()
        self.go_on()

    def go_on(self) -> None:
        for event in (self.is_going, self.is_asking, self.is_reading):
            event.set()

    async def read(self, stream, start_seq=1, subjects=()):
        subscription = await super().read(stream, start_seq, subjects)
        return Reading(subscription, self) if stream == topology.SCORED else subscription

    async def send(self, subject, payload, *, msg_id=None, headers=None):
        await self.is_going.wait()
        self.sent.append(msg_id or "")
        await super().send(subject, payload, msg_id=msg_id, headers=headers)

    async def key_put(self, *args, **options):
        await self.is_asking.wait()
        return await super().key_put(*args, **options)

    async def key_get(self, *args):
        await self.is_asking.wait()
        return await super().key_get(*args)


class Reading:
    """A subscription that finds nothing while its wire does not read."""

    def __init__(self, subscription, wire: Wire) -> None:
        self._subscription = subscription
        self._wire = wire

    async def next_batch(self, timeout_s: float):
        if self._wire.is_reading.is_set():
            return await self._subscription.next_batch(timeout_s)
        await asyncio.sleep(timeout_s)
        return []

    async def close(self) -> None:
        await self._subscription.close()


class Member:
    """One of the two: a scorer, its outlet, and the wire it speaks over."""

    def __init__(self, bus: MemoryBus, name: str) -> None:
        self.wire = Wire(store=bus._store)
        self.lease = Lease(self.wire, "scorer.0.of.1", name, lease_s=LEASE_S)
        self.outlet = Standby(self.wire, self.lease, shard=0, shards=1, renew_s=RENEW_S)
        self.role = ScorerRole(
            self.wire,
            Scorer((ALPHA,), load_feature_set(), session("us_equity")),
            registry=Registry(self.wire),
            trusted_keys=(),
            clock=SystemClock(),
            outlet=self.outlet,
        )
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self.outlet.run(self.role.run, self._stop))

    def answers(self) -> list[str]:
        """The ids of the answers that it sent."""
        return [one for one in self.wire.sent if ":progress." not in one]

    async def killed(self) -> None:
        """End at once, and leave the lease to lapse."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])

    async def stopped(self) -> None:
        assert self._task is not None
        self._stop.set()
        await self._task


@asynccontextmanager
async def pair(bus: MemoryBus):
    """The two, the first of which publishes."""
    first, second = Member(bus, "first"), Member(bus, "second")
    first.start()
    await until(lambda: first.outlet.is_active)
    second.start()
    try:
        yield first, second
    finally:
        for member in (first, second):
            member.wire.go_on()
            if member._task is not None and not member._task.done():
                await member.stopped()


async def until(is_true) -> None:
    async with asyncio.timeout(PLENTY_S):
        while not is_true():
            await asyncio.sleep(0.01)


def history(days: int) -> list[tuple[str, bytes]]:
    """Bars, signals on them, and now and then what cannot be read."""
    found = []
    lanes = [random_bars(symbol, days, seed=n) for n, symbol in enumerate(SYMBOLS)]
    for day, instant in enumerate(zip(*lanes, strict=True)):
        for event in [*instant, *(signal_on(bar, f"{bar.symbol}-{day}") for bar in instant)]:
            is_bar = isinstance(event, Bar)
            subject = subjects.bar("1d", event.symbol)
            if not is_bar:
                subject = subjects.raw("alpha", event.symbol)
            found.append((subject, codec.encode(event)))
        if day % 5 == 2:
            found.append((subjects.bar("1d", "AAA"), b"no bar"))
    return found


async def publish(bus: MemoryBus, events: list[tuple[str, bytes]]) -> None:
    for subject, payload in events:
        await bus.publish(subject, payload)
        await asyncio.sleep(0)


async def answered(bus: MemoryBus, days: int) -> None:
    """Wait until every signal of so many days is answered and every letter is out."""
    wanted = days * len(SYMBOLS) + len([day for day in range(days) if day % 5 == 2])
    await until(lambda: len(said(bus)) >= wanted)


def said(bus: MemoryBus) -> list[tuple[str, str, bytes]]:
    """Answers and letters as they are stored: subject, id, payload."""
    streams = [bus._store.streams[name] for name in (topology.SCORED, topology.DLQ)]
    return [
        (message.subject, message.headers[HEADER_ID], message.payload)
        for stream in streams
        for message in stream.messages.values()
        if not message.subject.startswith("progress.")
    ]


def undisturbed(days: int) -> dict[str, list[bytes]]:
    """What one scorer says that nobody disturbs, by subject."""
    scorer = Scorer((ALPHA,), load_feature_set(), session("us_equity"))
    found: dict[str, list[bytes]] = {}
    for _, payload in history(days):
        if payload != b"no bar":
            for answer in scorer.step(codec.decode(payload)):
                found.setdefault(answer.subject, []).append(codec.encode(answer.event))
    letters = len([day for day in range(days) if day % 5 == 2])
    return found | {"dlq.bars.1d.AAA": [b"no bar"] * letters}


def check(bus: MemoryBus, days: int) -> None:
    """Everything is there, once, in order by subject."""
    found: dict[str, list[bytes]] = {}
    for subject, _, payload in said(bus):
        found.setdefault(subject, []).append(payload)
    assert found == undisturbed(days)
    assert set(Counter(msg_id for _, msg_id, _ in said(bus)).values()) == {1}


async def test_of_two_one_publishes_and_the_other_keeps_nothing_that_is_out():
    bus = MemoryBus()
    async with pair(bus) as (first, second):
        await publish(bus, history(20))
        await answered(bus, 20)
        await until(lambda: second.outlet.is_settled and second.role.seq == first.role.seq)
        assert second.answers() == []
        assert not second.outlet.is_active
    check(bus, 20)


async def test_when_one_is_killed_the_other_publishes_what_is_not_out_and_nothing_else():
    bus = MemoryBus()
    events = history(40)
    async with pair(bus) as (first, second):
        publishing = asyncio.create_task(publish(bus, events))
        await until(lambda: len(said(bus)) > 10)
        await first.killed()
        await publishing
        await answered(bus, 40)
        assert second.outlet.is_active
        assert not set(first.answers()) & set(second.answers())
        assert second.answers()
    check(bus, 40)


async def test_what_went_out_last_is_looked_for_before_anything_is_published():
    bus = MemoryBus()
    async with pair(bus) as (first, second):
        events = history(30)
        await publish(bus, events[:50])
        await until(lambda: second.role.seq == first.role.seq == 50)
        second.wire.is_reading.clear()
        await publish(bus, events[50:])
        await answered(bus, 30)
        await until(lambda: second.role.seq == first.role.seq)
        assert not second.outlet.is_settled
        await first.killed()
        await until(lambda: second.lease.is_held)
        second.wire.is_reading.set()
        await until(lambda: second.outlet.is_active)
        assert second.answers() == []
    check(bus, 30)


async def test_when_one_is_asked_to_stop_the_other_need_not_wait_for_the_lease():
    bus = MemoryBus()
    async with pair(bus) as (first, second):
        await publish(bus, history(10))
        await answered(bus, 10)
        await until(lambda: second.role.seq == first.role.seq)
        await first.stopped()
        entry = await bus.key_get(topology.BUCKET_LEASES, "scorer.0.of.1")
        assert entry is not None
        assert entry.value in (b"", b"second")
        await until(lambda: second.outlet.is_active)


async def test_one_that_stood_still_and_wakes_up_publishes_nothing_and_stands_by():
    bus = MemoryBus()
    events = history(70)
    most = len(history(60))
    third = most // 3
    async with pair(bus) as (first, second):
        await publish(bus, events[:third])
        await until(lambda: len(said(bus)) > 10)
        first.wire.is_going.clear()
        first.wire.is_asking.clear()
        await publish(bus, events[third : 2 * third])
        await until(lambda: second.outlet.is_active)
        count = len(first.wire.sent)
        # It wakes up, and goes on for a while before it learns that its lease is gone.
        first.wire.is_going.set()
        await until(lambda: first.role.seq == second.role.seq)
        assert len(first.wire.sent) <= count + 1
        first.wire.is_asking.set()
        await publish(bus, events[2 * third : most])
        await answered(bus, 60)
        await until(lambda: first.outlet.is_settled and first.role.seq == second.role.seq)
        assert not first.outlet.is_active
        # What was on its way when it stood still is all that it sent.
        assert len(first.wire.sent) <= count + 1
        await second.killed()
        await publish(bus, events[most:])
        await answered(bus, 70)
        assert first.outlet.is_active
    check(bus, 70)


async def test_one_that_starts_late_takes_over_without_a_gap_or_a_repeat():
    bus = MemoryBus()
    events = history(40)
    half = len(events) // 2
    async with pair(bus) as (first, second):
        await publish(bus, events[:half])
        await until(lambda: second.role.seq == first.role.seq == half)
        await second.killed()
        late = Member(bus, "late")
        late.start()
        publishing = asyncio.create_task(publish(bus, events[half:]))
        await until(lambda: len(said(bus)) > half // 2)
        await first.killed()
        await publishing
        await answered(bus, 40)
        assert not set(first.answers()) & set(late.answers())
        await late.stopped()
    check(bus, 40)


@pytest.mark.parametrize("limit", ["UNPUBLISHED_MAX", "OUT_IDS_MAX"])
async def test_the_limits_slow_it_down_and_lose_nothing(monkeypatch, limit: str):
    monkeypatch.setattr(f"engine.shells.standby.{limit}", 4)
    bus = MemoryBus()
    events = history(30)
    async with pair(bus) as (first, second):
        publishing = asyncio.create_task(publish(bus, events))
        await until(lambda: len(said(bus)) > 10)
        await first.killed()
        await publishing
        await answered(bus, 30)
        await until(lambda: second.outlet.is_settled)
    check(bus, 30)


async def test_a_broker_that_cannot_be_asked_stops_the_publishing_until_it_can():
    bus = MemoryBus()
    events = history(30)
    half = len(events) // 2
    async with pair(bus) as (first, second):
        await second.killed()
        await publish(bus, events[:half])
        first.wire.is_asking.clear()
        await asyncio.sleep(2 * LEASE_S)
        count = len(first.wire.sent)
        await publish(bus, events[half:])
        await until(lambda: first.role.seq == len(events))
        assert len(first.wire.sent) == count
        first.wire.is_asking.set()
        await answered(bus, 30)
        await until(lambda: first.outlet.is_active)
    check(bus, 30)
