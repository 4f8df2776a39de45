"""Taking what has come without waiting, on both buses: one event tells that there is something."""

import asyncio

import pytest

from streams.buffer import BATCH_MAX
from streams.bus import Bus, Message, Subscription
from streams.errors import BusError
from streams.topology import INPUT, OUTCOMES
from streams.waiting import wait_until_set

SOON_S = 0.15
PLENTY_S = 10.0


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.broker)])
def bus(request: pytest.FixtureRequest) -> Bus:
    return request.getfixturevalue(f"{request.param}_bus")


async def until_taken(subscription: Subscription, event: asyncio.Event) -> list[Message]:
    """What is there after `event` was set; nothing when it was not set in time."""
    await wait_until_set(event, PLENTY_S)
    event.clear()
    return subscription.take()


async def open_ones(bus: Bus) -> tuple[Subscription, Subscription]:
    return await bus.read(INPUT, 1, ("bars.>",)), await bus.subscribe_plain("bars.>")


async def test_what_has_come_can_be_taken_without_waiting(bus: Bus):
    for subscription in (await bus.subscribe_plain("bars.1d.B"), await bus.read(INPUT, 3)):
        assert subscription.take() == []
        event = asyncio.Event()
        subscription.wake(event)
        for number in (b"1", b"2"):
            await bus.publish("bars.1d.B", number)
            assert [m.payload for m in await until_taken(subscription, event)] == [number]
            assert subscription.take() == []
        await subscription.close()


async def test_who_asks_late_is_woken_for_what_is_there_already(bus: Bus):
    subscriptions = await open_ones(bus)
    await bus.publish("bars.1d.A", b"x")
    await asyncio.sleep(SOON_S)
    for subscription in subscriptions:
        event = asyncio.Event()
        subscription.wake(event)
        assert event.is_set()
        assert [m.payload for m in subscription.take()] == [b"x"]


async def test_one_event_can_stand_for_several_subscriptions(bus: Bus):
    event = asyncio.Event()
    first, second = await bus.read(INPUT), await bus.read(OUTCOMES)
    for subscription in (first, second):
        subscription.wake(event)
    await bus.publish("bars.1d.A", b"1")
    assert len(await until_taken(first, event)) == 1
    await bus.publish("outcomes.s.A", b"2")
    assert len(await until_taken(second, event)) == 1


async def test_taking_alone_brings_a_long_stream_in_order_and_in_bounded_batches(bus: Bus):
    for number in range(5 * BATCH_MAX):
        await bus.send("bars.1d.A", b"%d" % number)
    await bus.flush()
    subscription = await bus.read(INPUT)
    event = asyncio.Event()
    subscription.wake(event)
    numbers: list[int] = []
    while len(numbers) < 5 * BATCH_MAX:
        assert await wait_until_set(event, PLENTY_S)
        event.clear()
        while batch := subscription.take():
            assert len(batch) <= BATCH_MAX
            numbers += [int(m.payload) for m in batch]
            await asyncio.sleep(0)
    assert numbers == list(range(5 * BATCH_MAX))


async def test_who_waits_is_woken_when_the_subscription_ends(bus: Bus):
    for subscription in await open_ones(bus):
        event = asyncio.Event()
        subscription.wake(event)
        event.clear()
        await subscription.close()
        assert event.is_set()
        with pytest.raises(BusError, match="closed"):
            subscription.take()
