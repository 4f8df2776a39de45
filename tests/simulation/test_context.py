"""With the market and breadth in its features the stream still says what a backtest says."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from engine.context_settings import ContextSettings
from engine.labeller import Labeller
from engine.replays.replay import ReplayDriver
from engine.roles.labeller import LabellerRole
from engine.roles.scorer import ScorerRole
from engine.roles.strategies import StrategiesRole
from engine.scorer import Scorer
from engine.shells.shell import Shell
from engine.shells.snapshot import SnapshotFile
from engine.simulation import Simulation
from engine.skew_audit import auditing
from engine.strategist import Strategist
from models.feature_set import load_feature_set
from models.onnx_session import load_model
from models.registry import Registry
from models.signing import load_or_create_signing_key
from models.vector import vector_names
from streams import codec, subjects, topology
from streams.block import Block
from streams.clock import SystemClock
from streams.columns import columns_of, pack_bars
from streams.events import Bar
from streams.memory_bus import MemoryBus
from streams.session import session
from tests.engine.market import random_bars
from tests.models.tiny_model import tiny_artifact
from tests.simulation import stage
from tests.simulation.stage import ROLES, deploy, everything_said, playing, record

STRATEGIES = tuple(msgspec.structs.replace(one, overlapping=True) for one in stage.STRATEGIES)
DAYS = 300
SYMBOLS = (*(f"S{n:02}" for n in range(11)), "SPY")
CONTEXT = ContextSettings(market="SPY", sectors={"S01": "S02", "SPY": "S02"}, breadth=True)
FEATURES = ("market_return_1", "relative_strength_20", "breadth_advancing", "signal_score")
BLOCK_DAYS = (1, 120, 1, 70, 108)
CLOCK = session("us_equity")

Instants = list[list[Bar]]


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return load_or_create_signing_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def instants() -> Instants:
    lanes = [random_bars(symbol, DAYS, seed=n) for n, symbol in enumerate(SYMBOLS)]
    return [list(instant) for instant in zip(*lanes, strict=True)]


def in_blocks(instants: Instants) -> list[Block]:
    blocks, start = [], 0
    for days in BLOCK_DAYS:
        part = instants[start : start + days]
        frame = columns_of(pack_bars([bar for instant in part for bar in instant]))
        blocks.append(Block((frame,), part[0][0].ts, part[-1][0].ts, days))
        start += days
    assert start == len(instants)
    return blocks


def artifacts(key) -> list:
    weights = (20.0, 8.0, 2.0, 0.5)
    return [tiny_artifact(FEATURES, weights, -0.8, strategy=s.name, signer=key) for s in STRATEGIES]


def roles_over(
    bus: MemoryBus, trusted_key: str, shards: int = 1, folder: Path | None = None
) -> list[Shell]:
    def file(role: str) -> SnapshotFile | None:
        return None if folder is None else SnapshotFile(folder / f"{role}.snapshot", "basis")

    def scorer(shard: int) -> Shell:
        handle = bus.handle()
        core = Scorer(
            STRATEGIES,
            load_feature_set(),
            CLOCK,
            lambda symbol: subjects.shard_of(symbol) * shards // subjects.SHARDS == shard,
            CONTEXT,
        )
        return ScorerRole(
            handle,
            core,
            registry=Registry(handle),
            trusted_keys=(trusted_key,),
            clock=SystemClock(),
            shard=shard,
            shards=shards,
            snapshots=file(f"scorer-{shard}"),
        )

    audit = auditing(STRATEGIES, load_feature_set(), CLOCK, CONTEXT)
    labeller = Labeller(STRATEGIES, waits_for_scorer=True, audit=audit)
    return [
        StrategiesRole(bus.handle(), Strategist(STRATEGIES), snapshots=file("strategies")),
        *map(scorer, range(shards)),
        LabellerRole(bus.handle(), labeller, snapshots=file("labeller")),
    ]


async def streamed(key, parts: list[list], shards: int = 1, folder: Path | None = None) -> dict:
    """What all roles say; between two parts of the history they are stopped and made anew."""
    bus = MemoryBus()
    for artifact, strategy in zip(artifacts(key), STRATEGIES, strict=True):
        await deploy(bus, artifact, strategy.name, 1)
    for number, part in enumerate(parts):
        async with playing(roles_over(bus, key.public_hex, shards, folder)):
            driver = ReplayDriver(bus, roles=ROLES, run_id=f"part-{number}", stall_s=30.0)
            await driver.drive(part)
    assert await record(bus, topology.DRIFT, ("drift.",)) == {}, "the audit found a difference"
    return in_order(await everything_said(bus))


def in_order(said: dict[str, list[bytes]]) -> dict[str, list[bytes]]:
    """Outcomes of signals that come when later bars are known have no order of their own."""
    return {
        subject: sorted(payloads) if subject.startswith("outcomes.") else payloads
        for subject, payloads in said.items()
    }


@pytest.fixture(scope="module")
def offline(key, instants) -> dict:
    """What a simulation says, bar by bar."""
    names = vector_names(load_feature_set().names, ())
    simulation = Simulation(STRATEGIES, load_feature_set(), CLOCK, context=CONTEXT)
    for artifact, strategy in zip(artifacts(key), STRATEGIES, strict=True):
        with asyncio.Runner() as runner:
            deployment = runner.run(deploy(MemoryBus(), artifact, strategy.name, 1))
        model = load_model(artifact, names, trusted_keys=(key.public_hex,))
        simulation.scorer.deploy(deployment, model)
    said: dict[str, list[bytes]] = {}
    for instant in instants:
        for bar in instant:
            for answer in simulation.step(bar):
                said.setdefault(answer.subject, []).append(codec.encode(answer.event))
    return in_order(said)


def test_models_speak_from_what_others_did(offline):
    answers = [
        codec.decode(payload)
        for subject, payloads in offline.items()
        if subject.startswith(("signals.scored.", "signals.rejected."))
        for payload in payloads
    ]
    spoken = [one for one in answers if one.probability is not None]
    assert len(spoken) > 100
    assert len({one.probability for one in spoken}) > 0.9 * len(spoken)


async def test_a_replay_in_instants_and_in_blocks_says_what_the_simulation_says(
    key, instants, offline
):
    assert await streamed(key, [instants]) == offline
    assert await streamed(key, [in_blocks(instants)]) == offline


async def test_four_scorers_say_what_one_says(key, instants, offline):
    assert await streamed(key, [in_blocks(instants)], shards=4) == offline


@pytest.mark.parametrize("blocks_before", [1, 2])
async def test_roles_that_go_on_from_snapshots_say_the_same(
    tmp_path, key, instants, offline, blocks_before, caplog
):
    caplog.set_level("INFO", "assay.shell")
    blocks = in_blocks(instants)
    parts = [blocks[:blocks_before], blocks[blocks_before:]]
    assert await streamed(key, parts, folder=tmp_path) == offline
    assert caplog.text.count("going on from the snapshot") == 3
