"""Replay, backtest and a second replay say the same, byte for byte."""

import msgspec
import pytest

from engine.replays.replay import ReplayDriver
from models.signing import load_or_create_signing_key
from streams.broker import EmbeddedBroker
from streams.memory_bus import MemoryBus
from streams.nats_bus import NatsBus
from streams.provision import provision
from tests.engine.market import random_bars, signal_on
from tests.models.tiny_model import tiny_artifact
from tests.simulation.stage import (
    ROLES,
    STRATEGIES,
    backtest,
    deploy,
    everything_said,
    playing,
    replay,
    roles_over,
    sample_blocks,
    sample_instants,
)

FEATURES = ("ibs", "rsi_14", "return_5", "signal_score")


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return load_or_create_signing_key(tmp_path_factory.mktemp("keys"))


def artifacts(key):
    return [
        tiny_artifact(FEATURES, (0.8, -0.01, 3.0, 0.5), -0.3, strategy=s.name, signer=key)
        for s in STRATEGIES
    ]


async def replayed(buses, key, instants, history=None):
    """Replay with one deployment per strategy, the second in force from the middle."""
    main = buses[-1]
    deployed = []
    for number, artifact in enumerate(artifacts(key)):
        effective_ts = instants[len(instants) // 2 * number][0].ts
        strategy = STRATEGIES[number].name
        deployed.append((await deploy(main, artifact, strategy, effective_ts), artifact))
    async with playing(roles_over(buses[:3], (key.public_hex,), STRATEGIES)):
        await replay(main, instants if history is None else history)
    return await everything_said(main), deployed


async def nats_buses(folder, count):
    broker = EmbeddedBroker.start(folder)
    buses = [await NatsBus.connect(broker.url, name=f"test-{n}") for n in range(count)]
    await provision(buses[0].jetstream)
    return broker, buses


@pytest.mark.broker
@pytest.mark.parametrize("form", [sample_instants, sample_blocks])
async def test_replay_through_the_broker_equals_the_backtest_bit_for_bit(tmp_path, key, form):
    span = ("2005-01-01", "2008-12-31")
    instants = sample_instants(*span)
    broker, buses = await nats_buses(tmp_path, 4)
    try:
        streamed, deployed = await replayed(buses, key, instants, form(*span))
    finally:
        for bus in buses:
            await bus.close()
        broker.stop()
    offline = backtest(instants, deployed, (key.public_hex,))
    assert sorted(streamed) == sorted(offline)
    for subject, payloads in offline.items():
        assert streamed[subject] == payloads, subject
    assert sum(len(v) for s, v in offline.items() if s.startswith("outcomes.")) > 100
    spoken = [p for s, v in offline.items() if s.startswith("signals.scored") for p in v]
    assert any(b'"probability":0.' in payload for payload in spoken)


async def test_two_replays_publish_the_same_bytes_in_instants_and_in_blocks(key):
    span = ("2007-01-01", "2009-12-31")
    instants, blocks = sample_instants(*span), sample_blocks(*span)
    said = []
    for history in (instants, instants, blocks, blocks):
        bus = MemoryBus()
        buses = [bus.handle(), bus.handle(), bus.handle(), bus]
        said.append((await replayed(buses, key, instants, history))[0])
    assert len(said[0]) > 10
    for other in said[1:]:
        assert other == said[0]


@pytest.mark.parametrize("delay_ns", [None, 0])
async def test_replay_is_held_neither_by_repeated_times_nor_by_instants_without_bars(delay_ns):
    bus = MemoryBus()
    days = [[bar] for bar in random_bars(count=200)]
    instants = []
    for number, (bar,) in enumerate(days):
        instants += [[bar], [msgspec.structs.replace(bar, symbol="BBB")]]
        if number % 3 == 0:
            instants.append([signal_on(bar, f"s{number}", "breakout", ts=bar.ts + 1)])
    instants += [[signal_on(days[-1][0], "last", "breakout", ts=days[-1][0].ts + 2)]]
    async with playing(roles_over([bus.handle() for _ in range(3)], (), STRATEGIES)):
        driver = ReplayDriver(bus, roles=ROLES, run_id="gaps", stall_s=3.0, delay_ns=delay_ns)
        counts = await driver.drive(instants)
    assert (counts.bars, counts.signals) == (400, 68)
