"""What the work queue of both buses promises: every test runs on memory and on NATS."""

import asyncio

import pytest

from streams.bus import Bus
from streams.errors import BusError
from streams.topology import INPUT, QUEUED_PER_STRATEGY_MAX, RETRAIN

SOON_S = 0.15
PLENTY_S = 10.0


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.broker)])
def bus(request: pytest.FixtureRequest) -> Bus:
    return request.getfixturevalue(f"{request.param}_bus")


async def test_a_unit_of_work_goes_to_one_worker_and_never_returns_when_done(bus: Bus):
    await bus.publish("models.retrain.s", b"1")
    await bus.publish("models.retrain.s", b"2")
    first = await bus.work_queue(RETRAIN, "trainer")
    second = await bus.work_queue(RETRAIN, "trainer")
    one, two = await first.next(PLENTY_S), await second.next(PLENTY_S)
    assert one is not None
    assert two is not None
    assert [one.message.payload, two.message.payload] == [b"1", b"2"]
    assert (one.deliveries, one.message.subject, one.message.seq) == (1, "models.retrain.s", 1)
    assert await first.pending() == 2
    await one.done()
    await two.done()
    assert await first.pending() == 0
    assert await first.next(2 * SOON_S) is None


async def test_a_worker_is_woken_by_a_later_unit(bus: Bus):
    queue = await bus.work_queue(RETRAIN, "trainer")
    assert await queue.next(SOON_S) is None
    waiting = asyncio.create_task(queue.next(PLENTY_S))
    await asyncio.sleep(SOON_S)
    await bus.publish("models.retrain.s", b"x")
    work = await waiting
    assert work is not None
    assert work.message.payload == b"x"


async def test_a_unit_nobody_acknowledges_comes_again(bus: Bus):
    await bus.publish("models.retrain.s", b"x")
    queue = await bus.work_queue(RETRAIN, "trainer")
    assert await queue.next(PLENTY_S) is not None
    assert await queue.next(0.3) is None
    again = await queue.next(PLENTY_S)
    assert again is not None
    assert again.deliveries == 2


async def test_heartbeats_keep_a_unit(bus: Bus):
    await bus.publish("models.retrain.s", b"x")
    queue = await bus.work_queue(RETRAIN, "trainer")
    work = await queue.next(PLENTY_S)
    assert work is not None
    for _ in range(5):
        await work.heartbeat()
        assert await queue.next(0.2) is None
    await work.done()
    assert await queue.next(0.8) is None


async def test_a_unit_given_back_comes_after_the_delay(bus: Bus):
    await bus.publish("models.retrain.s", b"x")
    queue = await bus.work_queue(RETRAIN, "trainer")
    work = await queue.next(PLENTY_S)
    assert work is not None
    await work.retry(0.3)
    assert await queue.next(SOON_S) is None
    again = await queue.next(PLENTY_S)
    assert again is not None
    assert again.deliveries == 2


async def test_a_worker_sees_what_of_a_subject_stands_behind_a_unit(bus: Bus):
    for subject, payload in (("s", b"1"), ("t", b"2"), ("s", b"3"), ("s", b"4"), ("t", b"5")):
        await bus.publish(f"models.retrain.{subject}", payload)
    queue = await bus.work_queue(RETRAIN, "trainer")
    first, second, third = [await queue.next(PLENTY_S) for _ in range(3)]
    assert first is not None
    assert second is not None
    assert third is not None
    assert [m.payload for m in await queue.behind(first.message)] == [b"3", b"4"]
    assert [m.payload for m in await queue.behind(third.message)] == [b"4"]
    await third.done()
    assert [(m.seq, m.payload) for m in await queue.behind(first.message)] == [(4, b"4")]
    assert [m.subject for m in await queue.behind(second.message)] == ["models.retrain.t"]


async def test_of_too_many_units_of_one_subject_the_oldest_give_way(bus: Bus):
    await bus.publish("models.retrain.calm", b"calm")
    for number in range(QUEUED_PER_STRATEGY_MAX + 3):
        await bus.send("models.retrain.storm", b"%d" % number)
    await bus.flush()
    queue = await bus.work_queue(RETRAIN, "trainer")
    assert await queue.pending() == QUEUED_PER_STRATEGY_MAX + 1
    calm, oldest = [await queue.next(PLENTY_S) for _ in range(2)]
    assert calm is not None
    assert oldest is not None
    assert [calm.message.payload, oldest.message.payload] == [b"calm", b"3"]
    assert len(await queue.behind(oldest.message)) == QUEUED_PER_STRATEGY_MAX - 1


async def test_a_unit_that_gave_way_while_it_was_held_can_still_be_acknowledged(bus: Bus):
    await bus.publish("models.retrain.s", b"held")
    queue = await bus.work_queue(RETRAIN, "trainer")
    held = await queue.next(PLENTY_S)
    assert held is not None
    for number in range(QUEUED_PER_STRATEGY_MAX):
        await bus.send("models.retrain.s", b"%d" % number)
    await bus.flush()
    await held.heartbeat()
    await held.done()
    assert await queue.pending() == QUEUED_PER_STRATEGY_MAX
    newer = await queue.next(PLENTY_S)
    assert newer is not None
    assert newer.message.payload == b"0"


async def test_a_plain_stream_is_no_work_queue(bus: Bus):
    with pytest.raises(BusError, match="not a work queue"):
        await bus.work_queue(INPUT, "trainer")
