"""Two trainers race and are killed again and again: one decision, one event per request."""

import asyncio
import multiprocessing
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from models.registry import Registry
from models.signing import load_or_create_signing_key
from streams import codec, subjects, topology
from streams.broker import EmbeddedBroker
from streams.bus import HEADER_ID, Message
from streams.events import Deployment, Policy, Retrain
from streams.nats_bus import NatsBus
from streams.provision import provision
from tests.simulation.chaos import SEED, kills_of
from tests.simulation.mortal_trainer import live
from tests.trainers.events import events_of
from tests.trainers.house import STRATEGY
from tests.trainers.samples import START_TS, layer_a_dataset, with_signal_columns
from trainers.dataset import DAY_NS
from trainers.retraining.ledger import Decision, Ledger
from trainers.retraining.shadows import Shadows

SAMPLES = with_signal_columns(layer_a_dataset(800, seed=7))
FIRST_DAY = 50
STEPS_MAX = 12
TRAINERS = 2
PATIENCE_S = 120.0
POLL_S = 0.02
WHEN = ("before", "behind")
KINDS = (
    ("retrain", "manual", "ann"),
    ("retrain", "drift:slope", "drift"),
    ("retrain", "refresh:slope", "drift"),
    ("recalibrate", "calibration:intercept", "drift"),
    ("review", "review", "drift"),
)


@pytest.mark.broker
async def test_kill_9_of_racing_trainers_answers_every_request_once(tmp_path: Path):
    await trainers_killed(tmp_path, kills_of(3))


@pytest.mark.broker
@pytest.mark.slow
async def test_kill_9_of_racing_trainers_again_and_again_answers_every_request_once(
    tmp_path: Path,
):
    await trainers_killed(tmp_path, kills_of(20))


async def trainers_killed(folder: Path, kills: int) -> None:
    print(f"CHAOS_SEED={SEED}")
    load_or_create_signing_key(folder / "keys")
    rng = random.Random(SEED)
    with EmbeddedBroker.start(folder / "state") as broker:
        bus = await NatsBus.connect(broker.url)
        await provision(bus.jetstream)
        await tell(bus)
        asking = Asking(bus, rng)
        await asking.more(2)
        killed = 0
        async with trainers(folder, broker.url) as race:
            for shard in range(TRAINERS):
                await race.start(shard, rng.randint(1, STEPS_MAX), rng.choice(WHEN))
            while killed < kills:
                shard = race.dead()
                if shard is None:
                    await asyncio.sleep(POLL_S)
                    await asking.more(int(await waiting(bus) == 0))
                    continue
                killed += 1
                await asking.more(1)
                await race.start(shard, rng.randint(1, STEPS_MAX), rng.choice(WHEN))
            for shard in range(TRAINERS):
                await race.start(shard, 0, WHEN[0])
            decisions = await all_out(bus, asking.requests)
        print(f"{killed} trainers killed, {Counter(d.reason for d in decisions)}")
        await check(bus, decisions)
        await bus.close()


class Asking:
    """Publishes requests, some of them twice, a day of event time apart."""

    def __init__(self, bus: NatsBus, rng: random.Random) -> None:
        self.requests: list[str] = []
        self._bus = bus
        self._rng = rng

    async def more(self, count: int) -> None:
        for _ in range(count):
            number = len(self.requests)
            action, reason, by = KINDS[0] if not number else self._rng.choice(KINDS)
            ts = START_TS + FIRST_DAY * DAY_NS + number * DAY_NS // 2
            since_ts = ts - 30 * DAY_NS if reason != "manual" else 0
            request = Retrain(f"r-{number}", STRATEGY, None, reason, since_ts, by, ts, action)
            for _ in range(self._rng.choice((1, 1, 2))):
                await self._bus.publish(subjects.retrain(STRATEGY), codec.encode(request))
            self.requests.append(request.request_id)


class Race:
    """The trainers' processes, by shard; they are forked from one that has imported it all."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._url = url
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload([live.__module__])
        self._running: dict[int, BaseProcess] = {}

    async def start(self, shard: int, step: int, when: str) -> None:
        """Start a trainer that dies at `step`; the one that was there is killed first."""
        await self.end(shard)
        process = self._processes.Process(
            target=live, args=(self._url, self._folder, shard, step, when)
        )
        process.start()
        self._running[shard] = process

    def dead(self) -> int | None:
        """Return who has died, or None."""
        for shard, process in self._running.items():
            if process.exitcode is not None:
                assert process.exitcode == -signal.SIGKILL, self.last_words(shard)
                return shard
        return None

    def last_words(self, shard: int) -> str:
        return (self._folder / f"trainer-{shard}.log").read_text()[-2_000:]

    async def end(self, shard: int) -> None:
        process = self._running.pop(shard, None)
        if process is None:
            return
        if process.exitcode is None:
            process.kill()
        while process.exitcode is None:
            await asyncio.sleep(POLL_S)
        process.close()


@asynccontextmanager
async def trainers(folder: Path, url: str) -> AsyncIterator[Race]:
    race = Race(folder, url)
    try:
        yield race
    finally:
        for shard in range(TRAINERS):
            await race.end(shard)


async def tell(bus: NatsBus) -> None:
    for scored, outcome in events_of(SAMPLES):
        await bus.send(subjects.scored(STRATEGY, scored.symbol), codec.encode(scored))
        await bus.send(subjects.outcome(STRATEGY, scored.symbol), codec.encode(outcome))
    await bus.flush()


async def all_out(bus: NatsBus, requests: list[str]) -> list[Decision]:
    """Wait until every request is decided, carried out and acknowledged."""
    ledger = Ledger(bus)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            decisions = await ledger.decisions()
            is_out = len(decisions) == len(requests) and all(d.is_out for d in decisions)
            if is_out and not await waiting(bus):
                break
            await asyncio.sleep(0.1)
    assert {decision.request_id for decision in decisions} == set(requests)
    return decisions


async def waiting(bus: NatsBus) -> int:
    """How many requests wait or are held."""
    return (await bus.jetstream.stream_state(topology.RETRAIN)).messages


async def check(bus: NatsBus, decisions: list[Decision]) -> None:
    deployed = await told(bus, topology.INPUT, subjects.DEPLOYED)
    kept = await told(bus, topology.DRIFT, subjects.KEPT)
    policies = await told(bus, topology.INPUT, subjects.POLICY)
    by_id = {decision.request_id: decision for decision in decisions}
    assert Counter(m.headers[HEADER_ID] for m in (*deployed, *kept)) == Counter(list(by_id))
    for message, is_promoted in [(m, True) for m in deployed] + [(m, False) for m in kept]:
        event = codec.decode(message.payload)
        assert isinstance(event, Deployment)
        decision = by_id[str(event.request_id)]
        assert (decision.deployment, decision.is_promoted) == (event, is_promoted)
    ordered = {f"{d.request_id}:policy": d.policy for d in decisions if d.policy is not None}
    assert Counter(m.headers[HEADER_ID] for m in policies) == Counter(list(ordered))
    for message in policies:
        policy = codec.decode(message.payload)
        assert isinstance(policy, Policy)
        assert policy == ordered[message.headers[HEADER_ID]]
    await check_pointer(bus, [d for d in decisions if d.is_promoted])
    record = await Shadows(bus).of(STRATEGY, None)
    answered = Counter(answer.request_id for answer in record.answers)
    assert answered == Counter([d.request_id for d in decisions if not d.is_refusal])


async def check_pointer(bus: NatsBus, promoted: list[Decision]) -> None:
    """Every promotion is one chapter, and follows the one that it was decided beside."""
    pointer = await Registry(bus).pointer(STRATEGY)
    assert pointer is not None
    chapters = [*reversed(pointer.history), pointer.current]
    assert Counter(c.request_id for c in chapters) == Counter([d.request_id for d in promoted])
    by_id = {decision.request_id: decision for decision in promoted}
    before: str | None = None
    for chapter in chapters:
        decision = by_id[str(chapter.request_id)]
        assert decision.deployment.digest == chapter.digest
        assert decision.deployment.previous == before
        before = chapter.version


async def told(bus: NatsBus, stream: str, wanted: str) -> list[Message]:
    subscription = await bus.read(stream, 1, (wanted,))
    found: list[Message] = []
    while batch := await subscription.next_batch(0.5):
        found += batch
    await subscription.close()
    return found
