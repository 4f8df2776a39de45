"""What the in-memory bus does by a clock of its own."""

import asyncio

import pytest

from streams.clock import ManualClock
from streams.errors import BusError
from streams.memory_bus import MemoryBus
from streams.memory_store import MemoryStore
from streams.topology import DEDUP_WINDOW_S, INPUT, RETRAIN

SECOND_NS = 1_000_000_000


async def test_messages_carry_the_time_of_the_clock():
    bus = MemoryBus(ManualClock(42))
    await bus.publish("bars.1d.A", b"x")
    [message] = await (await bus.read(INPUT)).next_batch(1.0)
    assert message.time_ns == 42


async def test_ids_are_forgotten_after_the_window():
    clock = ManualClock(1)
    bus = MemoryBus(clock)
    assert await bus.publish("bars.1d.A", b"", msg_id="a") == 1
    clock.advance(DEDUP_WINDOW_S * SECOND_NS)
    assert await bus.publish("bars.1d.A", b"", msg_id="a") == 1
    clock.advance(1)
    assert await bus.publish("bars.1d.A", b"", msg_id="a") == 2
    assert await bus.publish("bars.1d.A", b"", msg_id="a") == 2


async def test_what_is_remembered_of_ids_is_bounded_by_the_window():
    clock = ManualClock(1)
    store = MemoryStore(clock)
    bus = MemoryBus(store=store)
    for number in range(1000):
        await bus.publish("bars.1d.A", b"", msg_id=str(number))
        clock.advance(SECOND_NS)
    assert len(store.stream(INPUT).ids) <= DEDUP_WINDOW_S + 2


async def test_leases_run_by_the_clock():
    clock = ManualClock(1)
    bus = MemoryBus(clock, ack_wait_s=30.0)
    await bus.publish("models.retrain.s", b"x")
    queue = await bus.work_queue(RETRAIN, "trainer")
    first = await queue.next(0.0)
    assert first is not None
    clock.advance(29 * SECOND_NS)
    await first.heartbeat()
    clock.advance(29 * SECOND_NS)
    assert await queue.next(0.0) is None
    waiting = asyncio.create_task(queue.next(5.0))
    await asyncio.sleep(0)
    clock.advance(SECOND_NS)
    again = await waiting
    assert again is not None
    assert again.deliveries == 2
    # A late acknowledgement of a superseded holder is accepted, as on NATS.
    await first.done()
    assert await queue.pending() == 0


async def test_a_closed_queue_lets_its_waiter_go():
    bus = MemoryBus()
    queue = await bus.work_queue(RETRAIN, "trainer")
    waiting = asyncio.create_task(queue.next(60.0))
    await asyncio.sleep(0)
    await bus.close()
    with pytest.raises(BusError, match="closed"):
        await waiting


async def test_a_reader_lets_others_run_between_batches():
    bus = MemoryBus()
    for _ in range(3000):
        await bus.send("bars.1d.A", b"")
    reader = await bus.read(INPUT)
    ran = 0

    async def other() -> None:
        nonlocal ran
        while True:
            ran += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    while await reader.next_batch(0.0):
        pass
    task.cancel()
    assert ran >= 3


async def test_a_listener_that_takes_nothing_loses_the_newest(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streams.memory_bus.PLAIN_BUFFER_MAX", 2)
    bus = MemoryBus()
    listener = await bus.subscribe_plain("ops.>")
    for number in range(4):
        await bus.publish_plain("ops.x", b"%d" % number)
    assert [m.payload for m in await listener.next_batch(0.0)] == [b"0", b"1"]
    assert listener.dropped == 2  # type: ignore[attr-defined]
