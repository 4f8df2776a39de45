"""Two scorers of one shard share one snapshot file; both are killed, and nothing is said twice."""

import asyncio
import contextlib
import logging
import random
from collections import Counter

import pytest

from engine.roles.scorer import ScorerRole
from engine.settings import StrategySettings
from engine.shells import snapshot_keeper
from engine.shells.lease import Lease
from engine.shells.snapshot import SnapshotFile
from engine.shells.standby import Standby
from models.registry import Registry
from streams import codec, subjects, topology
from streams.bus import HEADER_ID
from streams.clock import SystemClock
from streams.memory_bus import MemoryBus
from tests.engine.market import random_bars, signal_on
from tests.simulation.stage import make_scorer

LEASE_S, RENEW_S = 0.15, 0.03
ALPHA = StrategySettings(name="alpha", kind="external")
SIGNALS = 400
KILLS = 6
SEED = 20_260_106


class Member:
    """One of the two, which is killed and started again."""

    def __init__(self, bus: MemoryBus, name: str, folder) -> None:
        self._bus = bus
        self._name = name
        self._folder = folder
        self._lives = 0
        self.start()

    def start(self) -> None:
        handle = self._bus.handle()
        self._lives += 1
        lease = Lease(handle, "scorer.0.of.1", f"{self._name}-{self._lives}", lease_s=LEASE_S)
        outlet = Standby(handle, lease, shard=0, shards=1, renew_s=RENEW_S)
        role = ScorerRole(
            handle,
            make_scorer((ALPHA,)),
            registry=Registry(handle),
            trusted_keys=(),
            clock=SystemClock(),
            outlet=outlet,
            snapshots=SnapshotFile(self._folder / "scorer.snapshot", "basis"),
        )
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(outlet.run(role.run, self._stop))

    async def killed(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def stopped(self) -> None:
        self._stop.set()
        await self._task


async def publish(bus: MemoryBus) -> None:
    """A bar and a signal on it, again and again, while scorers come and go."""
    for bar in random_bars(count=SIGNALS):
        await bus.publish(subjects.bar("1d", bar.symbol), codec.encode(bar))
        signal = signal_on(bar, f"s{bar.ts}")
        await bus.publish(subjects.raw("alpha", bar.symbol), codec.encode(signal))
        await asyncio.sleep(0.005)


def answer_ids(bus: MemoryBus) -> list[str]:
    held = bus._store.streams[topology.SCORED].messages.values()
    return [m.headers[HEADER_ID] for m in held if m.subject.startswith("signals.")]


@pytest.mark.parametrize("number", range(2))
async def test_two_scorers_that_go_on_from_one_file_say_each_answer_once_and_in_order(
    tmp_path, monkeypatch, caplog, number
):
    caplog.set_level(logging.INFO, "assay.shell")
    monkeypatch.setattr(snapshot_keeper, "SNAPSHOT_EVERY_S", 0.02)
    monkeypatch.setattr(snapshot_keeper, "SNAPSHOT_SHARE_MAX", 0.5)
    rng = random.Random(SEED + number)
    bus = MemoryBus()
    members = [Member(bus, name, tmp_path) for name in ("first", "second")]
    publishing = asyncio.create_task(publish(bus))
    for _ in range(KILLS):
        await asyncio.sleep(rng.uniform(0.2, 0.4))
        victim = rng.choice(members)
        await victim.killed()
        for stream in bus._store.streams.values():
            stream.ids.clear()
        victim.start()
    await publishing
    async with asyncio.timeout(20):
        while len(set(answer_ids(bus))) < SIGNALS:
            await asyncio.sleep(0.02)
    await asyncio.sleep(2 * LEASE_S)
    for member in members:
        await member.stopped()
    ids = answer_ids(bus)
    told = f"seed {SEED + number}"
    assert [one for one, count in Counter(ids).items() if count > 1] == [], told
    positions = [int(one.split(":")[1]) for one in ids]
    assert positions == sorted(positions), told
    assert len(ids) == SIGNALS, told
    assert caplog.text.count("going on from the snapshot") >= KILLS // 2
