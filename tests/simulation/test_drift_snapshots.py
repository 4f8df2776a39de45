"""A drift monitor that is killed anywhere and goes on from its snapshot says the same bytes."""

import asyncio
import logging
import random
from pathlib import Path

import pytest

from deploy.config import load_run
from deploy.snapshots import basis_of
from deploy.state import StateDir
from engine.drift.drift_monitor import DriftMonitor
from engine.drift.score_watch import ScoreWatch
from engine.roles.drift import drift_shell
from engine.settings import DriftSettings, InputWatchSettings
from engine.shells import snapshot_keeper
from engine.shells.shell import Shell
from engine.shells.snapshot import SnapshotFile
from streams import codec, subjects, topology
from streams.events import Outcome, Progress, Retrain, Scored
from streams.memory_bus import MemoryBus
from tests.engine.drift.test_drift_monitor_scores import OUTCOMES, SCORED
from tests.simulation.stage import record
from tests.simulation.test_snapshots import Life

INPUTS = InputWatchSettings(reference_signals=150, block_signals=75, budget=1_000.0)
SETTINGS = DriftSettings(
    detectors=("slope", "intercept", "page_hinkley", "adwin"),
    budget=50.0,
    reference_outcomes=20,
    cooldown_outcomes=20,
    review_outcomes=40,
    inputs=INPUTS,
)
SEED = 20_260_207
KILLS = 8
BLOCK = 7


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_keeper, "SNAPSHOT_EVERY_S", 0.01)
    monkeypatch.setattr(snapshot_keeper, "SNAPSHOT_SHARE_MAX", 0.5)


def shell(bus: MemoryBus, snapshots: SnapshotFile | None = None) -> Shell:
    core = DriftMonitor(SETTINGS, scores=ScoreWatch(INPUTS))
    return drift_shell(bus.handle(), core, snapshots=snapshots)


async def tell(bus: MemoryBus, outcomes: list[Outcome], scored: list[Scored]) -> None:
    for answer in scored:
        subject = subjects.scored(answer.strategy, answer.symbol)
        await bus.publish(subject, codec.encode(answer))
    for outcome in outcomes:
        subject = subjects.outcome(outcome.strategy, outcome.symbol)
        await bus.publish(subject, codec.encode(outcome))
    for role, last_ts in (("scorer", scored[-1].ts), ("labeller", outcomes[-1].exit_ts)):
        progress = Progress(role, 0, last_ts, 0)
        await bus.publish(subjects.progress(role, 0), codec.encode(progress))


async def finished(bus: MemoryBus) -> None:
    """Return when the monitor has vouched for everything."""
    subscription = await bus.read(topology.DRIFT, 1, (subjects.PROGRESS,))
    async with asyncio.timeout(30):
        while True:
            for message in await subscription.next_batch(1):
                # The scorers vouch for the last signal, a little less than its outcome.
                if codec.decode(message.payload).event_ts >= SCORED[-1].ts:
                    await subscription.close()
                    return


async def requests_of(bus: MemoryBus) -> dict[str, bytes]:
    """What was asked for, by id; one that was sent twice must be the same."""
    found: dict[str, bytes] = {}
    queue = await bus.work_queue(topology.RETRAIN, "test")
    while item := await queue.next(0.05):
        request = codec.decode(item.message.payload)
        assert isinstance(request, Retrain)
        assert found.setdefault(request.request_id, item.message.payload) == item.message.payload
        await item.done()
    return found


async def undisturbed() -> tuple[dict[str, list[bytes]], dict[str, bytes]]:
    bus, stop = MemoryBus(), asyncio.Event()
    task = asyncio.create_task(shell(bus).run(stop))
    await tell(bus, list(OUTCOMES), list(SCORED))
    await finished(bus)
    stop.set()
    await task
    return await record(bus, topology.DRIFT, ("drift.",)), await requests_of(bus)


@pytest.mark.parametrize("number", range(2))
async def test_a_monitor_that_is_killed_says_what_one_says_that_nobody_disturbs(
    tmp_path: Path, often: None, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    caplog.set_level(logging.INFO, "assay.shell")
    rng = random.Random(SEED + number)
    bus, file = MemoryBus(), SnapshotFile(tmp_path / "drift.snapshot", "basis")
    life = Life(lambda: shell(bus, file))
    starts = range(0, len(OUTCOMES), BLOCK)
    killed_at = set(rng.sample(starts, KILLS))
    for start in starts:
        await tell(bus, list(OUTCOMES[start : start + BLOCK]), list(SCORED[start : start + BLOCK]))
        await asyncio.sleep(rng.uniform(0.0, 0.02))
        if start in killed_at:
            await life.killed()
            for stream in bus._store.streams.values():
                stream.ids.clear()
            life.start()
    await finished(bus)
    await life.stopped()
    words, asked = await undisturbed()
    assert await record(bus, topology.DRIFT, ("drift.",)) == words, f"seed {SEED + number}"
    assert await requests_of(bus) == asked, f"seed {SEED + number}"
    assert len(words["drift.alpha"]) >= 5
    assert len(asked) >= 5
    assert caplog.text.count("going on from the snapshot") >= KILLS // 2


async def test_one_that_was_stopped_takes_nothing_a_second_time(tmp_path: Path) -> None:
    bus, file = MemoryBus(), SnapshotFile(tmp_path / "drift.snapshot", "basis")
    life = Life(lambda: shell(bus, file))
    await tell(bus, list(OUTCOMES), list(SCORED))
    await finished(bus)
    await life.stopped()
    before = await bus.last_seq(topology.DRIFT)
    again = shell(bus, file)
    stop = asyncio.Event()
    task = asyncio.create_task(again.run(stop))
    last = await bus.last_seq(topology.OUTCOMES)
    async with asyncio.timeout(10):
        while again.seq < last:
            await asyncio.sleep(0.01)
    (state,) = again.core.state()  # type: ignore[attr-defined]
    assert state.outcomes == len(OUTCOMES) - sum(o.exit_ts > SCORED[-1].ts for o in OUTCOMES)
    stop.set()
    await task
    assert await bus.last_seq(topology.DRIFT) - before <= 1


CONFIG = """
name: drift
strategies:
  - name: alpha
    kind: external
drift: {budget: 10000}
"""


def test_other_drift_settings_are_another_basis_of_the_monitor_alone(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state")
    state.make()
    config = tmp_path / "drift.yaml"
    config.write_text(CONFIG)
    run = load_run(config)
    config.write_text(CONFIG.replace("10000", "20000"))
    other = load_run(config)
    assert basis_of("drift", run, state) != basis_of("drift", other, state)
    assert basis_of("labeller", run, state) == basis_of("labeller", other, state)
