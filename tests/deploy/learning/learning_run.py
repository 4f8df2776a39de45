"""A synthetic market whose signals turn, played over a broker by the roles that a test names."""

import asyncio
import shutil
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deploy.config import RunSettings, load_run
from deploy.learning.learning import Site
from deploy.requests import request_training
from deploy.research.backtesting import collect
from deploy.role_runtime import RoleContext, load_wiring
from deploy.scenario import Instant, Scenario, config_of
from deploy.scenarios import flip
from deploy.state import StateDir
from deploy.trust import ensure_signing_key
from engine.replays.replay import ReplayDriver
from streams import codec, subjects, topology
from streams.bus import Bus
from streams.nats_bus import NatsBus
from streams.provision import provision, remove_all
from tests.trainers.house import run_job_here
from trainers.dataset import DAY_NS
from trainers.retraining.ledger import Ledger

ASSIGNMENTS = (
    "data.params.signals=2800",
    "data.params.drift_at=2350",
    "train.learners=[logistic]",
    "train.delay_days=50",
    "train.folds=3",
    "drift.review_outcomes=300",
    "train.gate.outcomes_min=60",
    "train.gate.class_min=20",
)
CONFIG = config_of("flip")
STRATEGY = "synthetic"
ONLINE = ("scorer", "labeller")
LEARNING = ("drift", "trainer")
STRETCH_DAYS = 45
PATIENCE_S = 60.0
WAITS = (
    "engine.shells.shell.IDLE_S",
    "trainers.retraining.worker.TAKE_TIMEOUT_S",
    "trainers.retraining.vouching.POLL_S",
)


def settings_of(*more: str) -> RunSettings:
    return load_run(CONFIG, (*ASSIGNMENTS, *more), {})


class Market:
    """The scenario, and a state directory with its training samples and a signing key."""

    def __init__(self, folder: Path) -> None:
        self.settings = settings_of()
        self.scenario: Scenario = flip.load(self.settings)
        self.state = StateDir(folder)
        self.state.make()
        ensure_signing_key(self.state)
        collect(self.scenario.training, self.settings, self.state)

    def copy(self, folder: Path) -> StateDir:
        """Return a state directory of its own for one run."""
        shutil.copytree(self.state.root, folder)
        return StateDir(folder)

    def stretches(self) -> list[Sequence[Instant]]:
        """Return the replay, cut every STRETCH_DAYS from its first signals on."""
        instants, found, begin = self.scenario.replayed, [], 0
        ts = self.scenario.from_ts
        while begin < len(instants):
            ts += STRETCH_DAYS * DAY_NS
            end = bisect_left(instants, ts, key=lambda instant: instant[0].ts)
            found.append(instants[begin:end])
            begin = end
        return found

    async def ask_first(self, bus: Bus) -> None:
        """Ask for the model that is in force from the first signal on."""
        delay_ns = int(self.settings.train.delay_days * DAY_NS)
        ts = self.scenario.from_ts - delay_ns
        await request_training(bus, STRATEGY, ts, "initial", "test")


def wait_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run in a thread, and roles that are alone on a broker look around more often."""
    monkeypatch.setattr("trainers.retraining.training_jobs.run_in_process", run_job_here)
    for name in WAITS:
        monkeypatch.setattr(name, 0.05)


@asynccontextmanager
async def emptied(url: str) -> AsyncIterator[NatsBus]:
    """Yield a bus whose streams are new."""
    bus = await NatsBus.connect(url, name="test")
    await remove_all(bus.jetstream)
    await provision(bus.jetstream)
    try:
        yield bus
    finally:
        await bus.close()


@asynccontextmanager
async def playing_roles(
    names: Sequence[str], url: str, settings: RunSettings, state: StateDir
) -> AsyncIterator[None]:
    """Run roles in this process, each over a connection of its own, as their wiring builds them."""
    stop = asyncio.Event()
    buses = [await NatsBus.connect(url, name=name) for name in names]
    ready = [asyncio.Event() for _ in names]
    tasks = [
        asyncio.create_task(
            load_wiring(name).build(RoleContext(settings, state, bus, 0, 1, said.set)).run(stop)
        )
        for name, bus, said in zip(names, buses, ready, strict=True)
    ]
    try:
        async with asyncio.timeout(PATIENCE_S):
            for said in ready:
                await said.wait()
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)
        for bus in buses:
            await bus.close()


async def replay(
    bus: Bus, history: Sequence[Instant], roles: Sequence[str], run_id: str, delay_ns: int | None
) -> None:
    driver = ReplayDriver(
        bus, roles=tuple(roles), run_id=run_id, delay_ns=delay_ns, stall_s=PATIENCE_S
    )
    await driver.drive(history)


def site_of(bus: NatsBus, url: str, settings: RunSettings, state: StateDir) -> Site:
    return Site(bus, url, settings, state)


async def said_on(bus: Bus, stream: str, *wanted: str) -> list[bytes]:
    """Return the payloads of some subjects, in order."""
    last, found, seq = await bus.last_seq(stream), [], 0
    subscription = await bus.read(stream, 1, wanted)
    while seq < last:
        batch = await subscription.next_batch(0.5)
        if not batch:
            break
        found += [message.payload for message in batch]
        seq = batch[-1].seq
    await subscription.close()
    return found


async def everything_learned(bus: Bus) -> dict[str, object]:
    """Return what a run came to, for another one to be held against."""
    decisions = await Ledger(bus).decisions()
    return {
        "drift": await said_on(bus, topology.DRIFT, subjects.DRIFT),
        "kept": await said_on(bus, topology.DRIFT, subjects.KEPT),
        "deployed": await said_on(bus, topology.INPUT, subjects.DEPLOYED),
        "policies": await said_on(bus, topology.INPUT, subjects.POLICY),
        "requests": [codec.encode(one.request) for one in decisions if one.request],
        "answers": sorted(
            await said_on(bus, topology.SCORED, "signals.scored.*.*", subjects.REJECTED)
        ),
    }
