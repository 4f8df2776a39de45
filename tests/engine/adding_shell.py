"""A shell around a core that adds up, over a bus that has forgotten what it was sent."""

import asyncio

import numpy as np

from engine.answer import Answer
from engine.saved import Saved
from engine.shells.shell import Feed, Shell
from engine.shells.snapshot import SnapshotFile
from streams import codec, subjects, topology
from streams.events import Bar, Policy
from streams.memory_bus import MemoryBus


class Killed(Exception):
    """What a kill -9 is to a core."""


class Adder:
    """Answers every bar with the sum of all closes so far: it depends on all that came before."""

    def __init__(self, lives_for: int | None = None) -> None:
        self.progress_ts = 0
        self.stepped = 0
        self._sum = np.zeros(1)
        self._lives_for = lives_for

    def step(self, event):
        if not isinstance(event, Bar):
            return []
        if self.stepped == self._lives_for:
            raise Killed
        self.stepped += 1
        self.progress_ts = event.ts
        self._sum += event.close
        answer = Policy("adder", "observe", by="test", why=f"{event.symbol} {self._sum[0]!r}")
        return [Answer(subjects.drift("adder"), answer)] * 2

    def save(self) -> Saved:
        return Saved({"progress_ts": self.progress_ts}, {"sum": self._sum})

    def load(self, saved: Saved) -> None:
        self.progress_ts = saved.facts["progress_ts"]
        self._sum = saved.arrays["sum"].copy()


FEEDS = (Feed(topology.INPUT, (subjects.BARS,)),)
TWO_FEEDS = (Feed(topology.INPUT, (subjects.BARS,)), Feed(topology.SCORED))


def file_in(folder, basis: str = "basis") -> SnapshotFile:
    return SnapshotFile(folder / "drift.snapshot", basis)


def make_shell(bus, core, snapshots=None, feeds=FEEDS, **options) -> Shell:
    return Shell(
        forgetful(bus),
        core,
        role="drift",
        feeds=feeds,
        writes=(topology.DRIFT,),
        snapshots=snapshots,
        **options,
    )


def forgetful(bus: MemoryBus) -> MemoryBus:
    """A handle on a store that has forgotten which ids it was sent: the window is over."""
    for stream in bus._store.streams.values():
        stream.ids.clear()
    return bus.handle()


async def publish(bus, bars) -> None:
    for bar in bars:
        await bus.publish(subjects.bar(bar.interval, bar.symbol), codec.encode(bar))


async def said(bus) -> list[tuple[str, str]]:
    """Every answer, as its id and what it says."""
    found, subscription = [], await bus.read(topology.DRIFT, 1, (subjects.DRIFT,))
    while batch := await subscription.next_batch(0.02):
        found += [(m.headers["Nats-Msg-Id"], codec.decode(m.payload).why) for m in batch]
    await subscription.close()
    return found


async def live(shell: Shell, is_done=lambda: False, limit_s: float = 20.0) -> None:
    """Run a shell until it is done, or dies."""
    stop = asyncio.Event()
    task = asyncio.create_task(shell.run(stop))
    async with asyncio.timeout(limit_s):
        while not task.done() and not is_done():
            await asyncio.sleep(0.001)
    stop.set()
    await task


async def live_to_the_end(bus, core, snapshots=None, feeds=FEEDS) -> Shell:
    shell = make_shell(bus, core, snapshots, feeds)
    last = await bus.last_seq(feeds[-1].stream)
    await live(shell, lambda: shell.seq >= last)
    return shell


async def undisturbed(bars) -> list[tuple[str, str]]:
    bus = MemoryBus()
    await publish(bus, bars)
    await live_to_the_end(bus, Adder())
    return await said(bus)
