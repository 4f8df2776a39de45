"""What stands in a stream is read to its end, however slow the broker is."""

import asyncio

import pytest

from streams import standing as module
from streams.bus import Message, Subscription
from streams.errors import BusError
from streams.memory_bus import MemoryBus
from streams.nats_bus import NatsBus
from streams.standing import standing
from streams.topology import INPUT

SLOW_S = 0.7


class SlowSubscription:
    """Hands over a message at a time, the first only after a while."""

    def __init__(self, subscription: Subscription, delay_s: float) -> None:
        self._subscription = subscription
        self._delay_s = delay_s

    async def next_batch(self, timeout_s: float) -> list[Message]:
        if self._delay_s > timeout_s:
            await asyncio.sleep(timeout_s)
            return []
        await asyncio.sleep(self._delay_s)
        return await self._subscription.next_batch(timeout_s)

    async def close(self) -> None:
        await self._subscription.close()


class SlowBus:
    """A bus on a machine that is busy with other things."""

    def __init__(self, bus: MemoryBus, delay_s: float) -> None:
        self._bus = bus
        self._delay_s = delay_s

    async def last_seq(self, stream: str, subjects: tuple[str, ...] = ()) -> int:
        return await self._bus.last_seq(stream, subjects)

    async def read(self, *arguments) -> SlowSubscription:
        return SlowSubscription(await self._bus.read(*arguments), self._delay_s)


async def read_whole(bus, *wanted: str, start_seq: int = 1) -> list[int]:
    return [
        one.seq
        async for batch in standing(bus, INPUT, wanted, start_seq=start_seq)
        for one in batch
    ]


async def filled() -> MemoryBus:
    bus = MemoryBus()
    for subject in ("policy.a", "bars.1d.A", "policy.a", "bars.1d.A"):
        await bus.publish(subject, b"")
    return bus


async def test_all_of_some_subjects_is_read_and_nothing_is_waited_for():
    bus = await filled()
    async with asyncio.timeout(module.ANSWER_S / 2):
        assert await read_whole(bus, "policy.a") == [1, 3]
        assert await read_whole(bus) == [1, 2, 3, 4]
        assert await read_whole(bus, "policy.a", start_seq=2) == [3]
        assert await read_whole(bus, "policy.a", start_seq=4) == []
        assert await read_whole(bus, "policy.b") == []


async def test_what_comes_meanwhile_is_left():
    bus = await filled()
    reading = standing(bus, INPUT, ("policy.a",))
    await bus.publish("policy.a", b"")
    first = await anext(reading)
    await bus.publish("policy.a", b"")
    assert [one.seq for one in first] + [one.seq async for b in reading for one in b] == [1, 3, 5]


async def test_a_slow_broker_is_not_taken_for_one_that_holds_nothing():
    bus = SlowBus(await filled(), SLOW_S)
    assert await read_whole(bus, "policy.a") == [1, 3]


async def test_a_broker_that_hands_nothing_over_is_said_to(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "ANSWER_S", 0.05)
    with pytest.raises(BusError, match="INPUT stopped at 0 of 3 while it was read"):
        await read_whole(SlowBus(await filled(), 1.0), "policy.a")


@pytest.mark.broker
async def test_a_stream_that_was_emptied_holds_nothing(nats_bus: NatsBus):
    await nats_bus.publish("policy.a", b"")
    assert await read_whole(nats_bus) == [1]
    await nats_bus.jetstream.call(f"STREAM.PURGE.{INPUT}")
    assert await read_whole(nats_bus) == []
