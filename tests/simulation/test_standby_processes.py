"""Two scorers as processes: one sleeps and wakes up, the other is killed; engines act once."""

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from deploy.launch import role_commands
from deploy.role_process import RoleProcess
from deploy.state import StateDir
from deploy.trust import ensure_signing_key
from streams import codec, subjects, topology
from streams.broker import EmbeddedBroker
from streams.bus import HEADER_ID
from streams.client import Client
from streams.events import Bar
from streams.nats_bus import NatsBus
from streams.provision import provision
from tests.models.tiny_model import tiny_artifact
from tests.simulation.killed import CONFIG, SIGNALS, history, undisturbed
from tests.simulation.stage import deploy

PLENTY_S = 60.0
CHUNK = 40


class Engine:
    """A trading engine: it publishes history in parts and writes down what it acts on."""

    def __init__(self, bus: NatsBus) -> None:
        self.acted: dict[str, list[bytes]] = {}
        self.count = 0
        self._bus = bus
        self._events = history()
        self._place = 0

    async def publish(self, share: float) -> None:
        """Publish up to `share` of everything, not faster than somebody could follow."""
        while self._place < share * len(self._events):
            for event in self._events[self._place : self._place + CHUNK]:
                subject = subjects.raw("alpha", event.symbol)
                if isinstance(event, Bar):
                    subject = subjects.bar("1d", event.symbol)
                await self._bus.send(subject, codec.encode(event))
            self._place += CHUNK
            await asyncio.sleep(0.02)
        await self._bus.flush()

    async def act(self, client: Client) -> None:
        async for reply in client.answers():
            scored = reply.scored
            name = subjects.scored if scored.accepted else subjects.rejected
            lane = self.acted.setdefault(name(scored.strategy, scored.symbol), [])
            lane.append(codec.encode(scored))
            self.count += 1

    async def has_acted(self, count: int) -> None:
        async with asyncio.timeout(PLENTY_S):
            while self.count < count:
                await asyncio.sleep(0.02)


async def publishing_pid(bus: NatsBus, unlike: int | None = None) -> int:
    """Wait until somebody else than `unlike` holds the lease, and return whose pid it is."""
    async with asyncio.timeout(PLENTY_S):
        while True:
            entry = await bus.key_get(topology.BUCKET_LEASES, "scorer.0.of.1")
            if entry is not None and entry.value:
                pid = int(entry.value.decode().split("-")[-2])
                if pid != unlike:
                    return pid
            await asyncio.sleep(0.05)


async def ids_stored(bus: NatsBus) -> Counter[str]:
    found: Counter[str] = Counter()
    last = await bus.last_seq(topology.SCORED)
    subscription = await bus.read(topology.SCORED)
    seq = 0
    while seq < last:
        for message in await subscription.next_batch(10):
            seq = message.seq
            if message.subject.startswith("signals."):
                found[message.headers[HEADER_ID]] += 1
    await subscription.close()
    return found


@pytest.mark.broker
@pytest.mark.timeout(180)
async def test_a_scorer_that_wakes_up_and_one_that_is_killed_lose_and_repeat_nothing(
    tmp_path: Path,
):
    state = StateDir(tmp_path / "state")
    key = ensure_signing_key(state)
    config = tmp_path / "pair.yaml"
    config.write_text(CONFIG)
    artifact = tiny_artifact(("ibs", "signal_score"), (2.0, 1.0), -1.5, "alpha", signer=key)
    with EmbeddedBroker.start(state.root) as broker:
        bus = await NatsBus.connect(broker.url, name="engine")
        await provision(bus.jetstream)
        deployment = await deploy(bus, artifact, "alpha", 1)
        commands = role_commands(("scorer",), config, (), broker.url, state, standby=True)
        pair = [RoleProcess(name, run, tmp_path / name) for name, run in commands.items()]
        assert [one.role for one in pair] == ["scorer", "scorer-standby"]
        for one in pair:
            await one.start()
            assert await one.wait_ready(), one.last_words()
        engine = Engine(bus)
        client = await Client.open(bus)
        acting = asyncio.create_task(engine.act(client))
        try:
            await drama(bus, engine)
        finally:
            for one in pair:
                await one.stop()
        await client.close()
        await acting
        stored = await ids_stored(bus)
        await bus.close()
    assert engine.acted == undisturbed(deployment, artifact, key.public_hex)
    assert set(stored.values()) == {1}


async def drama(bus: NatsBus, engine: Engine) -> None:
    first = await publishing_pid(bus)
    await engine.publish(0.2)
    await engine.has_acted(SIGNALS // 10)
    os.kill(first, signal.SIGSTOP)
    await engine.publish(0.4)
    second = await publishing_pid(bus, unlike=first)
    await engine.has_acted(SIGNALS * 3 // 10)
    os.kill(first, signal.SIGCONT)
    await engine.publish(0.7)
    await engine.has_acted(SIGNALS * 6 // 10)
    publishing = asyncio.create_task(engine.publish(1.0))
    os.kill(second, signal.SIGKILL)
    assert await publishing_pid(bus, unlike=second) == first
    await publishing
    await engine.has_acted(SIGNALS)
