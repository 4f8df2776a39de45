"""A run under load, whose processes are killed: who publishes, who acts, who looks on.

Kill points count stored messages, not seconds: one seed says what is published and after how
many messages who is killed. `CHAOS_SEED` and `CHAOS_KILLS` replace a run's own figures.
"""

import asyncio
import contextlib
import os
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.config import RunSettings, load_run
from deploy.state import StateDir
from deploy.trust import ensure_signing_key
from models.registry import Registry
from streams import codec, subjects, topology
from streams.broker import EmbeddedBroker
from streams.bus import HEADER_ID, Bus
from streams.client import Client
from streams.errors import BusError
from streams.events import Deployment, Progress
from streams.marks import Mark
from streams.nats_bus import NatsBus
from streams.provision import configs, provision
from streams.reply import Reply
from streams.waiting import end_tasks
from streams.watermark import Watermark
from tests.models.tiny_model import tiny_artifact
from tests.simulation.chaos_findings import (
    NOTHING,
    Findings,
    Lanes,
    compare,
    lane_of,
    stored,
    stored_lanes,
    undisturbed,
)
from tests.simulation.chaos_load import Input, chaos_load

SEED = int(os.environ.get("CHAOS_SEED", "20260101"))
CONFIG = """
name: chaos
strategies:
  - name: alpha
    kind: external
    ml: {prediction_mode: filter, confidence_threshold: 0.5}
  - name: beta
    kind: external
    features: [gap]
"""
WEIGHTS = ((2.0, 1.0), (-1.0, 2.0), (3.0, -1.0))
INPUT_ID = "input:"
BURST_MAX = 64
# How far the publisher runs ahead of the scorer, in messages.
LEAD_MAX = 300
LIFE_ANSWERS_MAX = 400
PLENTY_S = 60.0
LAST_ANSWERS_S = 10.0
POLL_S = 0.002
FORGOTTEN_AFTER_NS = 1_000_000_000


def kills_of(kills: int) -> int:
    """How often to kill: so often, or as `CHAOS_KILLS` says."""
    return int(os.environ.get("CHAOS_KILLS", kills))


class Publisher:
    """Publishes a load in bursts, tries again under the same id, and knows what was acked."""

    def __init__(self, bus: Bus, load: list[Input], watch: "Watch", rng: random.Random) -> None:
        self.acked: dict[int, int] = {}
        self.retries = 0
        self._bus = bus
        self._load = load
        self._watch = watch
        self._rng = rng

    async def run(self) -> None:
        number = 0
        while number < len(self._load):
            while max(self.acked.values(), default=0) - self._watch["scorer"].seq > LEAD_MAX:
                await asyncio.sleep(POLL_S)
            burst = range(number, min(len(self._load), number + self._rng.randint(1, BURST_MAX)))
            await asyncio.gather(*map(self._publish, burst))
            number = burst.stop

    async def _publish(self, number: int) -> None:
        subject, payload = self._load[number]
        while number not in self.acked:
            try:
                seq = await self._bus.publish(subject, payload, msg_id=f"{INPUT_ID}{number}")
                self.acked[number] = seq
            except BusError:
                self.retries += 1
                await asyncio.sleep(0.1)


class Engine:
    """A trading engine with a database: effect and mark are one transaction.

    `effects` are the answers that it acted on. It is a mark store of its own, and is started
    anew now and then.
    """

    def __init__(self, bus: Bus, rng: random.Random) -> None:
        self.effects: Lanes = defaultdict(list)
        self.lives = 0
        self._bus = bus
        self._rng = rng
        self._marks: dict[tuple[str, str], Mark] = {}

    async def run(self) -> None:
        while True:
            self.lives += 1
            try:
                client = await Client.open(self._bus, marks=self)
            except BusError:
                # A broker that is away cannot be asked: an engine would be started again.
                await asyncio.sleep(0.1)
                continue
            try:
                await self._live(client, self._rng.randint(1, LIFE_ANSWERS_MAX))
            finally:
                await client.close()

    @property
    def acted(self) -> int:
        """How many answers had their effect."""
        return sum(map(len, self.effects.values()))

    async def _live(self, client: Client, answers: int) -> None:
        """Act on so many answers and end, with one more in hand."""
        async for reply in client.answers():
            if answers == 0:
                return
            answers -= 1
            self._commit(reply, client.mark_after(reply))

    def _commit(self, reply: Reply, mark: Mark) -> None:
        lane = lane_of(subjects.scored(mark.strategy, mark.symbol))
        self.effects[lane].append((str(reply.answer_id), codec.encode(reply.scored)))
        self._marks[mark.strategy, mark.symbol] = mark

    async def load(self) -> list[Mark]:
        return list(self._marks.values())

    async def save(self, mark: Mark) -> None:
        """The mark is written with the effect."""

    async def close(self) -> None:
        """Nothing was taken."""


class Watch:
    """How many answers are stored, and how far each role is, by its name."""

    def __init__(self, bus: Bus) -> None:
        self.answers = 0
        self._bus = bus
        self._marks: dict[str, Watermark] = defaultdict(Watermark)

    def __getitem__(self, role: str) -> Watermark:
        return self._marks[role]

    async def run(self) -> None:
        progress = ("progress.strategies.>",)
        await asyncio.gather(
            self._follow(topology.INPUT, progress),
            self._follow(topology.SCORED),
            self._follow(topology.OUTCOMES),
        )

    async def _follow(self, stream: str, wanted: tuple[str, ...] = ()) -> None:
        subscription = await self._bus.read(stream, 1, wanted)
        while True:
            for message in await subscription.next_batch(1.0):
                if message.subject.startswith("progress."):
                    event = codec.decode(message.payload)
                    assert isinstance(event, Progress)
                    self._marks[event.role].note(event)
                elif stream == topology.SCORED:
                    self.answers += 1


class Chaos:
    """One run: a broker, a load, an engine; the roles are the test's own.

    The streams that are `forgetful` know an id again for a second only: a repeat that comes
    later is kept back by who read its own answers, or by nobody.
    """

    def __init__(
        self,
        folder: Path,
        config: str = CONFIG,
        seed: int = SEED,
        forgetful: tuple[str, ...] = (),
    ) -> None:
        self._forgetful = forgetful
        self.seed = seed
        print(f"CHAOS_SEED={seed}")
        self.rng = self._chance("kills")
        self.state = StateDir(folder / "state")
        self.state.make()
        self.config = folder / "chaos.yaml"
        self.config.write_text(config)
        self.settings: RunSettings = load_run(self.config)
        self.key = ensure_signing_key(self.state)
        self.kills = 0
        # The server ends with the thread that starts it, and starting it would stop the loop.
        self._thread = ThreadPoolExecutor(1)
        self._tasks: list[asyncio.Task[None]] = []
        self._buses: list[NatsBus] = []
        self.broker: EmbeddedBroker
        self.bus: NatsBus
        self.load: list[Input]
        self.watch: Watch
        self.publisher: Publisher
        self.engine: Engine

    @asynccontextmanager
    async def running(self, blocks: int) -> AsyncIterator[None]:
        """So many blocks are published, acted on and looked at while the test kills."""
        await self.start_broker()
        try:
            await self._begin(blocks)
            yield
        finally:
            await end_tasks(self._tasks)
            for bus in self._buses:
                await bus.close()
            self.broker.stop()
            self._thread.shutdown()

    async def start_broker(self, port: int = 0) -> None:
        def start() -> EmbeddedBroker:
            return EmbeddedBroker.start(self.state.root, port=port)

        self.broker = await asyncio.get_running_loop().run_in_executor(self._thread, start)

    async def kill_broker(self) -> None:
        """Kill the server and start it again, on the same store and port."""
        self.kills += 1
        self.broker.kill()
        await self.start_broker(self.broker.port)

    async def _begin(self, blocks: int) -> None:
        """Publish, act on the answers and look on, each over its own connection."""
        names = ("chaos", "watch", "publisher", "engine")
        self._buses = [await NatsBus.connect(self.broker.url, name=name) for name in names]
        self.bus, watching, publishing, acting = self._buses
        await provision(self.bus.jetstream)
        for config in configs(1):
            if config["name"] in self._forgetful:
                config["duplicate_window"] = FORGOTTEN_AFTER_NS
                await self.bus.jetstream.call(f"STREAM.UPDATE.{config['name']}", config)
        deployments = [await self._stored_model(weights) for weights in WEIGHTS]
        self.load = chaos_load(self._chance("load"), blocks, deployments)
        self.watch = Watch(watching)
        self.publisher = Publisher(publishing, self.load, self.watch, self._chance("publisher"))
        self.engine = Engine(acting, self._chance("engine"))
        self._tasks = [
            asyncio.create_task(one.run()) for one in (self.publisher, self.watch, self.engine)
        ]

    @property
    def is_connected(self) -> bool:
        """Whether all who are served here have a broker."""
        return all(bus.connected for bus in self._buses)

    async def until(self, is_so: Callable[[], bool], what: str) -> None:
        """Wait; whoever of the run ends by an error ends the wait."""

        async def asked() -> bool:
            return is_so()

        await self._until(asked, what)

    async def answered(self, answers: int) -> None:
        """Return when so many answers are stored, or when no more are to come."""

        def is_so() -> bool:
            is_through = self._tasks[0].done() and self.watch["scorer"].seq >= self._newest_input
            return self.watch.answers >= answers or is_through

        await self.until(is_so, f"{answers} answers")

    async def all_is_answered(self) -> None:
        """Return when the roles that speak have gone through all that was published."""
        await self.until(self._tasks[0].done, "all is published")
        await self._until(self._is_settled, "the roles are through")

    async def _until(self, is_so: Callable[[], Awaitable[bool]], what: str) -> None:
        try:
            async with asyncio.timeout(PLENTY_S):
                while not await is_so():
                    for task in self._tasks:
                        if task.done():
                            task.result()
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise AssertionError(
                f"not within {PLENTY_S:.0f} s: {what}; {len(self.publisher.acked)} of "
                f"{len(self.load)} inputs are acked, {self.watch.answers} answers stored, "
                f"{self.engine.acted} acted on; CHAOS_SEED={self.seed}"
            ) from None

    @property
    def _newest_input(self) -> int:
        return max(self.publisher.acked.values(), default=0)

    @property
    def _newest_bar(self) -> int:
        acked = self.publisher.acked
        return max(acked[n] for n, (subject, _) in enumerate(self.load) if subject[:5] == "bars.")

    async def _is_settled(self) -> bool:
        inputs = await self.bus.last_seq(topology.INPUT)
        scored = await self.bus.last_seq(topology.SCORED)
        labeller = self.watch["labeller"]
        is_labelled = labeller.seq >= scored and labeller.input_seq >= self._newest_bar
        return self.watch["scorer"].seq >= inputs and (is_labelled or not labeller.shards)

    async def check(self, *, shards: int = 1) -> None:
        """What was acked is stored once, in order; what was to be said to it was said once.

        Several scorers send dead letters of one subject, each its own in order.
        """
        strategies, keys = self.settings.strategies, (self.key.public_hex,)
        inputs = await self._stored_inputs()
        answers, letters = await undisturbed(self.bus, strategies, keys)
        await self._engine_has(sum(map(len, answers.values())))
        findings = compare(letters, await stored_lanes(self.bus, topology.DLQ))
        found = {
            "inputs": (len(inputs), self._compare_inputs(inputs)),
            "letters": (
                sum(map(len, letters.values())),
                findings if shards == 1 else findings._replace(out_of_order=0),
            ),
            "answers stored": (
                sum(map(len, answers.values())),
                compare(answers, await stored_lanes(self.bus, topology.SCORED)),
            ),
            "answers with effect": (self.engine.acted, compare(answers, self.engine.effects)),
        }
        told = [f"{what}: {count}, {findings}" for what, (count, findings) in found.items()]
        told.append(
            f"kills: {self.kills}, publishing tried again: {self.publisher.retries}, "
            f"lives of the engine: {self.engine.lives}"
        )
        print("\n".join(told))
        assert {findings for _, findings in found.values()} == {NOTHING}, "\n".join(
            [f"CHAOS_SEED={self.seed} shows it again", *told]
        )

    async def _engine_has(self, answers: int) -> None:
        """Wait until it has acted on so many; where they do not come, the findings say so."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_ANSWERS_S):
                while self.engine.acted < answers:
                    await asyncio.sleep(POLL_S)
        # What comes once more comes now.
        await asyncio.sleep(0.5)

    async def _stored_inputs(self) -> list[tuple[str, int]]:
        """Ids and sequences of what the publisher published."""
        found = [
            (message.headers.get(HEADER_ID, ""), message.seq)
            for message in await stored(self.bus, topology.INPUT)
        ]
        return [(one, seq) for one, seq in found if one.startswith(INPUT_ID)]

    def _compare_inputs(self, inputs: list[tuple[str, int]]) -> Findings:
        def lane(ids: Iterable[tuple[str, int]]) -> Lanes:
            return {"": [(one, b"%d" % seq) for one, seq in ids]}

        acked = ((f"{INPUT_ID}{n}", seq) for n, seq in sorted(self.publisher.acked.items()))
        return compare(lane(acked), lane(inputs))

    async def _stored_model(self, weights: tuple[float, ...]) -> Deployment:
        names = ("ibs", "signal_score")
        artifact = tiny_artifact(names, weights, -1.0, "alpha", signer=self.key)
        digest = await Registry(self.bus).put(artifact)
        return Deployment("alpha", None, artifact.version, digest, 1, None, {})

    def _chance(self, of_whom: str) -> random.Random:
        """Each has its own, so that nobody's turn changes another's."""
        return random.Random(f"{self.seed}:{of_whom}")
