"""Roles that are killed and go on from snapshots say what roles say that nobody disturbs."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable

import pytest

from deploy.config import load_run
from deploy.launch import role_commands
from deploy.role_process import RoleProcess
from deploy.snapshots import basis_of
from deploy.state import StateDir
from deploy.trust import ensure_signing_key
from engine.labeller import Labeller
from engine.roles.labeller import LabellerRole
from engine.roles.scorer import ScorerRole
from engine.roles.strategies import StrategiesRole
from engine.settings import StrategySettings
from engine.shells import snapshot_keeper
from engine.shells.shell import Shell
from engine.shells.snapshot import SnapshotFile
from engine.strategist import Strategist
from models.feature_set import load_feature_set
from models.onnx_session import load_model
from models.registry import Registry
from models.settings import MlSettings
from models.signing import load_or_create_signing_key
from models.vector import vector_names
from streams import codec, subjects, topology
from streams.broker import EmbeddedBroker
from streams.clock import SystemClock
from streams.memory_bus import MemoryBus
from streams.nats_bus import NatsBus
from streams.provision import provision
from tests.engine.market import random_bars, signal_on
from tests.models.tiny_model import tiny_artifact
from tests.simulation.stage import (
    STRATEGIES,
    backtest,
    deploy,
    everything_said,
    make_scorer,
    playing,
    record,
    replay,
    sample_blocks,
    sample_instants,
)

SPAN = ("2007-01-01", "2009-06-30")
FEATURES = ("ibs", "rsi_14", "return_5", "signal_score")
SEED = 20_260_105
KILLS = 12
PAUSE_S = (0.02, 0.15)


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return load_or_create_signing_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(snapshot_keeper, "SNAPSHOT_EVERY_S", 0.03)
    monkeypatch.setattr(snapshot_keeper, "SNAPSHOT_SHARE_MAX", 0.5)


def makers(bus: MemoryBus, folder, trusted_key: str) -> dict[str, Callable[[], Shell]]:
    """How each role is started, every time anew."""

    def file(role: str) -> SnapshotFile:
        return SnapshotFile(folder / f"{role}.snapshot", "basis")

    def scorer() -> Shell:
        handle = bus.handle()
        return ScorerRole(
            handle,
            make_scorer(),
            registry=Registry(handle),
            trusted_keys=(trusted_key,),
            clock=SystemClock(),
            snapshots=file("scorer"),
        )

    def strategies() -> Shell:
        return StrategiesRole(bus.handle(), Strategist(STRATEGIES), snapshots=file("strategies"))

    def labeller() -> Shell:
        core = Labeller(STRATEGIES, waits_for_scorer=True)
        return LabellerRole(bus.handle(), core, snapshots=file("labeller"))

    return {"strategies": strategies, "scorer": scorer, "labeller": labeller}


class Life:
    """A role that is killed and started again."""

    def __init__(self, make: Callable[[], Shell]) -> None:
        self._make = make
        self._stop = asyncio.Event()
        self.start()

    def start(self) -> None:
        self._task = asyncio.create_task(self._make().run(self._stop))

    async def killed(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def stopped(self) -> None:
        self._stop.set()
        await self._task


async def kill_some(bus: MemoryBus, lives: list[Life], rng: random.Random) -> None:
    for _ in range(KILLS):
        await asyncio.sleep(rng.uniform(*PAUSE_S))
        victim = rng.choice(lives)
        await victim.killed()
        # The stream has forgotten the ids: what is said again is there again.
        for stream in bus._store.streams.values():
            stream.ids.clear()
        victim.start()


async def deployed_models(bus: MemoryBus, key, instants) -> list:
    deployed = []
    for number, strategy in enumerate(STRATEGIES):
        artifact = tiny_artifact(
            FEATURES, (0.8, -0.01, 3.0, 0.5), -0.3, strategy=strategy.name, signer=key
        )
        effective_ts = instants[len(instants) // 2 * number][0].ts
        deployed.append((await deploy(bus, artifact, strategy.name, effective_ts), artifact))
    return deployed


@pytest.mark.parametrize("number", range(2))
async def test_a_replay_whose_roles_are_killed_says_what_a_backtest_says(
    tmp_path, key, often, caplog, number
):
    caplog.set_level(logging.INFO, "assay.shell")
    rng = random.Random(SEED + number)
    instants, bus = sample_instants(*SPAN), MemoryBus()
    deployed = await deployed_models(bus, key, instants)
    lives = [Life(make) for make in makers(bus, tmp_path, key.public_hex).values()]
    killing = asyncio.create_task(kill_some(bus, lives, rng))
    await replay(bus, sample_blocks(*SPAN))
    await killing
    for life in lives:
        await life.stopped()
    said = await everything_said(bus)
    offline = backtest(instants, deployed, (key.public_hex,))
    for subject, payloads in offline.items():
        assert said[subject] == payloads, f"{subject}, seed {SEED + number}"
    assert sorted(said) == sorted(offline)
    assert caplog.text.count("going on from the snapshot") > KILLS // 4
    await every_role_is_where_it_was(bus, tmp_path, key, said)


async def every_role_is_where_it_was(bus, folder, key, said) -> None:
    """Started once more, each goes on from the end and says nothing of it again."""
    for stream in bus._store.streams.values():
        stream.ids.clear()
    async with playing([make() for make in makers(bus, folder, key.public_hex).values()]):
        await asyncio.sleep(0.5)
    assert await everything_said(bus) == said


async def test_a_scorer_whose_model_is_gone_leaves_its_snapshot_and_replays(
    tmp_path, key, monkeypatch, caplog
):
    monkeypatch.setattr("engine.roles.scorer.FETCH_PAUSE_S", 0.01)
    instants, bus = sample_instants("2007-01-01", "2007-03-31"), MemoryBus()
    await deployed_models(bus, key, instants)
    roles = makers(bus, tmp_path, key.public_hex)
    async with playing([make() for make in roles.values()]):
        await replay(bus, instants)
    scorer = roles["scorer"]()
    async with playing([scorer]):
        await settled(scorer)
        assert "replaying" not in caplog.text
    for held in bus._store.objects.values():
        held.clear()
    scorer = roles["scorer"]()
    async with playing([scorer]):
        await settled(scorer)
    assert "a model of the snapshot is of no use: replaying" in caplog.text


async def settled(scorer: Shell) -> None:
    last = await scorer.bus.last_seq(topology.INPUT)
    async with asyncio.timeout(20):
        while scorer.seq < last:
            await asyncio.sleep(0.01)


CONFIG = """
name: snapshots
strategies:
  - name: alpha
    kind: external
    ml: {prediction_mode: filter, confidence_threshold: 0.5}
"""
ALPHA = StrategySettings(
    name="alpha", kind="external", ml=MlSettings(prediction_mode="filter", confidence_threshold=0.5)
)


@pytest.mark.broker
async def test_a_scorer_process_that_is_stopped_and_started_goes_on_from_its_snapshot(tmp_path):
    state = StateDir(tmp_path / "state")
    state.make()
    key = ensure_signing_key(state)
    config = tmp_path / "snapshots.yaml"
    config.write_text(CONFIG)
    artifact = tiny_artifact(("ibs", "signal_score"), (2.0, 1.0), -1.5, "alpha", signer=key)
    bars = random_bars(count=400)
    with EmbeddedBroker.start(state.root) as broker:
        bus = await NatsBus.connect(broker.url, name="engine")
        await provision(bus.jetstream)
        deployment = await deploy(bus, artifact, "alpha", 1)
        log = state.logs / "scorer.log"
        for half in (bars[:300], bars[300:]):
            await publish_with_signals(bus, half)
            commands = role_commands(("scorer",), config, (), broker.url, state)
            scorer = RoleProcess("scorer", commands["scorer"], log)
            await scorer.start()
            assert await scorer.wait_ready(), scorer.last_words()
            await answered(bus, half[-1])
            assert await scorer.stop()
        said = await record(bus, topology.SCORED, ("signals.",))
        await bus.close()
    assert "going on from the snapshot at (601,)" in log.read_text()
    names = vector_names(load_feature_set().names, ())
    core = make_scorer((ALPHA,))
    core.deploy(deployment, load_model(artifact, names, trusted_keys=(key.public_hex,)))
    assert said == undisturbed(core, bars)
    assert len(said) == 2


async def publish_with_signals(bus, bars) -> None:
    for bar in bars:
        signal = signal_of(bar)
        await bus.send(subjects.bar("1d", bar.symbol), codec.encode(bar))
        await bus.send(subjects.raw("alpha", bar.symbol), codec.encode(signal))
    await bus.flush()


def signal_of(bar):
    return signal_on(bar, f"s{bar.ts}")


def undisturbed(core, bars) -> dict[str, list[bytes]]:
    """What a scorer's core says to bars and their signals, by subject."""
    said: dict[str, list[bytes]] = {}
    for bar in bars:
        for answer in core.step(bar) + core.step(signal_of(bar)):
            said.setdefault(answer.subject, []).append(codec.encode(answer.event))
    return said


async def answered(bus, bar) -> None:
    subscription = await bus.read(topology.SCORED, 1, (subjects.SCORED, subjects.REJECTED))
    async with asyncio.timeout(30):
        while True:
            for message in await subscription.next_batch(1):
                if codec.decode(message.payload).ts == bar.ts:
                    await subscription.close()
                    return


def test_another_configuration_is_another_basis(tmp_path):
    state = StateDir(tmp_path / "state")
    state.make()
    ensure_signing_key(state)
    config = tmp_path / "snapshots.yaml"
    config.write_text(CONFIG)
    basis = basis_of("scorer", load_run(config), state)
    assert basis == basis_of("scorer", load_run(config), state)
    config.write_text(CONFIG.replace("0.5", "0.6"))
    assert basis != basis_of("scorer", load_run(config), state)
    config.write_text(CONFIG + "trusted_keys: ['" + "ab" * 32 + "']\n")
    assert basis != basis_of("scorer", load_run(config), state)
    assert basis_of("labeller", load_run(config), state) not in (basis, "")
