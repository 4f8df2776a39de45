"""The shell publishes each answer once, whatever happens to the process around it."""

import asyncio

import pytest

from engine.answer import Answer
from engine.shells.shell import Feed, Shell
from streams import codec, subjects, topology
from streams.errors import WireError
from streams.events import Bar, Policy, Progress
from streams.memory_bus import MemoryBus
from tests.engine.market import random_bars


class Echo:
    """Answers every bar with a policy event that names its time."""

    def __init__(self, die_after: int | None = None) -> None:
        self.progress_ts = 0
        self._left = die_after

    def step(self, event):
        if not isinstance(event, Bar):
            return []
        if self._left is not None:
            if self._left == 0:
                raise RuntimeError("killed")
            self._left -= 1
        self.progress_ts = event.ts
        answer = Policy("echo", "observe", by="test", why=str(event.ts))
        return [Answer("drift.echo", answer), Answer("drift.echo", answer)]


def make_shell(bus, core, **options) -> Shell:
    return Shell(
        bus,
        core,
        role="drift",
        feeds=(Feed(topology.INPUT, (subjects.BARS,)),),
        writes=(topology.DRIFT,),
        **options,
    )


async def publish(bus, bars) -> None:
    for bar in bars:
        await bus.publish(subjects.bar(bar.interval, bar.symbol), codec.encode(bar))


async def whys(bus) -> list[str]:
    found, subscription = [], await bus.read(topology.DRIFT, 1, (subjects.DRIFT,))
    while batch := await subscription.next_batch(0.05):
        found += [codec.decode(message.payload).why for message in batch]
    await subscription.close()
    return found


async def run_until(shell, is_done) -> None:
    stop = asyncio.Event()
    task = asyncio.create_task(shell.run(stop))
    try:
        async with asyncio.timeout(10):
            while not task.done() and not await is_done():
                await asyncio.sleep(0.01)
    finally:
        stop.set()
    await task


async def test_answers_carry_the_incarnation_the_sequence_and_the_index():
    bus = MemoryBus()
    await publish(bus, random_bars(count=2))
    shell = make_shell(bus.handle(), Echo())
    await run_until(shell, lambda: has(bus, 4))
    subscription = await bus.read(topology.DRIFT, 1, (subjects.DRIFT,))
    ids = [m.headers["Assay-Id"] for m in await subscription.next_batch(1)]
    incarnation = await bus.incarnation(topology.INPUT)
    assert ids == [f"{incarnation}:{seq}:{index}" for seq in (1, 2) for index in (0, 1)]


async def has(bus, count: int) -> bool:
    return len(await whys(bus)) >= count


@pytest.mark.parametrize("die_after", [0, 1, 7, 19])
async def test_a_shell_that_died_goes_on_without_a_gap_or_a_repeat(die_after):
    bus = MemoryBus()
    bars = random_bars(count=20)
    await publish(bus, bars)
    with pytest.raises(RuntimeError, match="killed"):
        await run_until(make_shell(bus.handle(), Echo(die_after)), lambda: has(bus, 40))
    assert len(await whys(bus)) == 2 * die_after
    await run_until(make_shell(bus.handle(), Echo()), lambda: has(bus, 40))
    assert await whys(bus) == [str(bar.ts) for bar in bars for _ in range(2)]


async def test_progress_stands_behind_the_answers_it_vouches_for():
    bus = MemoryBus()
    bars = random_bars(count=5)
    await publish(bus, bars)
    await run_until(make_shell(bus.handle(), Echo()), lambda: has(bus, 10))
    subscription = await bus.read(topology.DRIFT)
    vouched, said = 0, set()
    for message in await subscription.next_batch(1):
        event = codec.decode(message.payload)
        if isinstance(event, Policy):
            assert int(event.why) > vouched
            said.add(int(event.why))
    assert said == {bar.ts for bar in bars}


async def test_progress_does_not_go_back_when_a_role_starts_again():
    bus = MemoryBus()
    await publish(bus, random_bars(count=5))
    for _ in range(2):
        await run_until(make_shell(bus.handle(), Echo()), lambda: progress_is_out(bus))
    subscription = await bus.read(topology.DRIFT, 1, (subjects.progress("drift", 0),))
    marks = [codec.decode(m.payload).event_ts for m in await subscription.next_batch(1)]
    assert marks == sorted(marks)


async def progress_is_out(bus) -> bool:
    subscription = await bus.read(topology.DRIFT, 1, (subjects.progress("drift", 0),))
    return bool(await subscription.next_batch(0.05))


async def test_what_cannot_be_decoded_is_offered_to_the_role_and_stops_nothing():
    refused: list[tuple[str, str]] = []

    class Refusing(Shell):
        def refuse(self, message, error: WireError):
            refused.append((message.subject, error.reason))
            return []

    bus = MemoryBus()
    bars = random_bars(count=2)
    await bus.publish("bars.1d.AAA", b"{not an event")
    await publish(bus, bars)
    shell = Refusing(
        bus.handle(), Echo(), role="drift", feeds=(Feed(topology.INPUT),), writes=(topology.DRIFT,)
    )
    await run_until(shell, lambda: has(bus, 4))
    assert refused == [("bars.1d.AAA", "unparseable")]


async def test_progress_names_the_position_when_idle():
    bus = MemoryBus()
    await publish(bus, random_bars(count=3))
    shell = make_shell(bus.handle(), Echo())
    await run_until(shell, lambda: has(bus, 6))
    subscription = await bus.read(topology.DRIFT, 1, (subjects.progress("drift", 0),))
    last = codec.decode((await subscription.next_batch(1))[-1].payload)
    assert isinstance(last, Progress)
    assert last.seq == 3
