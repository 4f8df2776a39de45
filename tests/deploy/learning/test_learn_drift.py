"""A drift check says what the drift role says, once: after it, beside it, before it, or killed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deploy.config import load_run
from deploy.file_lock import FileLock
from deploy.learning.drift_check import Checked, check_drift
from deploy.role_runtime import RoleContext
from deploy.scenario import config_of
from deploy.sole_role import SoleRole
from deploy.state import StateDir
from deploy.wiring.drift import build, drift_monitor, lock_of, shell_of
from engine.drift.drift_monitor import DriftMonitor
from engine.shells.snapshot import SnapshotFile
from streams import subjects, topology
from streams.events import Drift, Progress, Retrain
from streams.memory_bus import MemoryBus
from tests.deploy.monitor.storied_run import START_NS, outcomes, say
from tests.deploy.operations.registry_stage import stored

STRATEGY = "synthetic"
PART = 300
SETTINGS = load_run(
    config_of("flip"), ["drift.cooldown_outcomes=50", "drift.review_outcomes=150"], {}
)


class Killed(Exception):
    """The process was killed."""


class DyingBus:
    """A bus whose owner is killed when it says something for the n-th time."""

    def __init__(self, bus: MemoryBus, at: int) -> None:
        self._bus = bus
        self._left = at

    def __getattr__(self, name: str):
        return getattr(self._bus, name)

    async def send(self, subject: str, payload: bytes, **options) -> None:
        self._left -= 1
        if self._left == 0:
            raise Killed
        await self._bus.send(subject, payload, **options)


@pytest.fixture
def state(tmp_path) -> StateDir:
    found = StateDir(tmp_path / "state")
    found.make()
    return found


async def live(bus: MemoryBus, part: int) -> None:
    """Let the next outcomes of a model that ranks at first, and is misled from then on, mature."""
    ranks = outcomes(STRATEGY, PART, "m-1", skill=1.0, seed=1)
    misled = outcomes(STRATEGY, 2 * PART, "m-1", skill=-1.0, seed=2)[PART:]
    events = (ranks, misled)[part]
    for event in events:
        await say(bus, subjects.outcome(STRATEGY, event.symbol), event)
    for role in ("scorer", "labeller"):
        await say(bus, subjects.progress(role, 0), Progress(role, 0, events[-1].exit_ts + 1, 1))


async def said(bus: MemoryBus) -> tuple[list[Drift], list[Retrain]]:
    drifts = await stored(bus, topology.DRIFT, subjects.DRIFT)
    return drifts, await stored(bus, topology.RETRAIN, subjects.RETRAIN)


async def expected() -> tuple[list[Drift], list[Retrain]]:
    """What the core says to all of it."""
    core = DriftMonitor(SETTINGS.drift)
    bus = MemoryBus()
    found = []
    for part in (0, 1):
        await live(bus, part)
    for event in await stored(bus, topology.OUTCOMES):
        found += [answer.event for answer in core.step(event)]
    drifts = [one for one in found if isinstance(one, Drift)]
    return drifts, [one for one in found if isinstance(one, Retrain)]


async def check(bus, state: StateDir) -> Checked:
    return await asyncio.wait_for(check_drift(bus, SETTINGS, state), 30)


@asynccontextmanager
async def role(bus: MemoryBus, state: StateDir) -> AsyncIterator[asyncio.Event]:
    """Run the drift role; yield what is set when it is ready."""
    stop, ready = asyncio.Event(), asyncio.Event()
    built = build(RoleContext(SETTINGS, state, bus.handle(), 0, 1, ready.set))
    task = asyncio.create_task(built.run(stop))
    try:
        yield ready
    finally:
        stop.set()
        await task


async def test_checks_now_and_then_say_what_one_core_says_that_sees_it_all(memory_bus, state):
    assert (await check(memory_bus, state)).judged_ts == 0
    for part in (0, 1):
        await live(memory_bus, part)
        checked = await check(memory_bus.handle(), state)
        assert not checked.has_role
    assert await said(memory_bus) == await expected()
    assert any(one.reason == "drift:slope" for one in (await said(memory_bus))[1])
    (watch,) = checked.watches
    assert (watch.model, watch.outcomes) == ("m-1", 2 * PART)
    assert START_NS < watch.changepoint_ts < checked.judged_ts
    assert [one.detector for one in watch.detectors if one.has_detected] == ["slope"]
    assert await check(memory_bus.handle(), state) == checked
    assert await said(memory_bus) == await expected()


async def test_a_check_goes_on_from_a_snapshot_as_the_role_does(memory_bus, state, caplog):
    caplog.set_level("INFO", "assay.shell")
    await live(memory_bus, 0)
    await check(memory_bus, state)
    await live(memory_bus, 1)
    async with role(memory_bus, state) as ready:
        await asyncio.wait_for(ready.wait(), 30)
        await check(memory_bus.handle(), state)
    assert "going on from the snapshot" in caplog.text
    assert await said(memory_bus) == await expected()


async def test_beside_a_live_role_a_check_keeps_silent_and_waits_for_its_word(memory_bus, state):
    await live(memory_bus, 0)
    async with role(memory_bus, state) as ready:
        await asyncio.wait_for(ready.wait(), 30)
        await live(memory_bus, 1)
        # It would die of a word of its own.
        checked = await check(DyingBus(memory_bus.handle(), 1), state)
        assert checked.has_role
        # It has told of it already: what stands in the stream is all that there is.
        assert await said(memory_bus) == await expected()
    alone = await check(memory_bus.handle(), state)
    assert not alone.has_role
    assert alone.watches == checked.watches
    assert await said(memory_bus) == await expected()


async def test_a_role_that_starts_beside_a_check_waits_until_it_has_ended(memory_bus, state):
    await live(memory_bus, 0)
    lock = lock_of(state)
    assert lock.take()
    async with role(memory_bus, state) as ready:
        await asyncio.sleep(0.05)
        assert not ready.is_set()
        assert await said(memory_bus) == ([], [])
        lock.release()
        await asyncio.wait_for(ready.wait(), 30)
        assert not lock.take()
        await live(memory_bus, 1)
        await check(memory_bus.handle(), state)
    assert await said(memory_bus) == await expected()
    assert lock.take()
    lock.release()


async def test_a_role_works_where_no_lock_can_be_written(memory_bus, state):
    shell = shell_of(
        RoleContext(SETTINGS, state, memory_bus.handle(), 0, 1, lambda: None),
        drift_monitor(SETTINGS),
        SnapshotFile(state.snapshots / "own.snapshot", "basis"),
    )
    stop = asyncio.Event()
    sole = SoleRole(shell, FileLock(state.root / "no such folder" / "a.lock"))
    task = asyncio.create_task(sole.run(stop))
    await live(memory_bus, 0)
    async with asyncio.timeout(30):
        while not await stored(memory_bus, topology.DRIFT, "progress.drift.>"):
            await asyncio.sleep(0.01)
    stop.set()
    await task


async def test_a_role_that_waits_for_its_turn_can_be_stopped(memory_bus, state):
    lock = lock_of(state)
    assert lock.take()
    async with role(memory_bus, state) as ready:
        await asyncio.sleep(0)
    assert not ready.is_set()
    lock.release()


@pytest.mark.parametrize("at", [1, 2, 3, 5])
async def test_a_check_that_is_killed_says_the_rest_the_next_time(memory_bus, state, at):
    await live(memory_bus, 0)
    await live(memory_bus, 1)
    with pytest.raises(Killed):
        await check(DyingBus(memory_bus.handle(), at), state)
    await check(memory_bus.handle(), state)
    assert await said(memory_bus) == await expected()


async def test_a_check_looks_after_itself_when_the_role_it_waits_for_dies(memory_bus, state):
    await live(memory_bus, 0)
    await live(memory_bus, 1)
    lock = lock_of(state)
    # It holds the lock, says nothing and then is gone.
    assert lock.take()
    checking = asyncio.create_task(check(memory_bus.handle(), state))
    await asyncio.sleep(0.5)
    assert not checking.done()
    lock.release()
    assert not (await checking).has_role
    assert await said(memory_bus) == await expected()


async def test_a_role_that_stands_still_is_not_waited_for_for_ever(memory_bus, state, monkeypatch):
    monkeypatch.setattr("deploy.learning.drift_check.ROLE_PATIENCE_S", 0.1)
    await live(memory_bus, 0)
    lock = lock_of(state)
    assert lock.take()
    with pytest.raises(Exception, match=r"the drift role \(process \d+\) has not moved for"):
        await check(memory_bus.handle(), state)
    lock.release()
