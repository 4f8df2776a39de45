"""The learning half at work on a strategy whose truth is known, over the in-memory bus or NATS.

Drift monitor and trainer are the real roles; scorer and labeller are a function: they answer every
signal of a Layer A stream by the model and the policy in force at its time, and label it a day
later. Each day waits until the roles have said all that they have to say of it, so a run is the
same whenever it is made again.
"""

import asyncio
import contextlib
import unittest.mock
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from engine.drift.drift_monitor import DriftMonitor
from engine.roles.drift import drift_shell
from engine.settings import DriftSettings, StrategySettings
from models.onnx_session import Model, load_model
from models.registry import Registry
from models.settings import MlSettings
from models.signing import load_or_create_signing_key
from models.vector import vector_names
from streams import codec, layer_a, subjects, topology
from streams.broker import EmbeddedBroker
from streams.bus import Bus
from streams.events import Deployment, Drift, Outcome, Policy, Progress, Retrain, Scored
from streams.memory_bus import MemoryBus
from streams.nats_bus import NatsBus
from streams.provision import provision
from tests.trainers.events import events_of
from tests.trainers.house import run_job_here
from tests.trainers.samples import dataset_of, with_signal_columns
from trainers.dataset import Dataset
from trainers.retraining import training_jobs
from trainers.retraining.worker import RetrainWorker
from trainers.settings import TrainSettings

STRATEGY = "synthetic"
NAMES = vector_names(layer_a.FEATURE_NAMES, ())
PATIENCE_S = 300.0
POLL_S = 0.002
BREAK_EVEN = 0.4545
"""The base rate of Layer A: from this probability on a trade pays, with the wins of `paying`."""

Floats = NDArray[np.float64]
Request = Callable[[int], Retrain | None]
"""What somebody else asks for when so many outcomes of after the start are known."""


class Stream(NamedTuple):
    """A Layer A stream as samples: the first `start` train the first model, the rest are live."""

    samples: layer_a.Samples
    data: Dataset
    start: int


class Acted(NamedTuple):
    """What became of every live signal: which model spoke, what it said, whether it counted.

    `probability` NaN where nobody spoke; `policy` "" where the mode acted.
    """

    model: list[str]
    probability: Floats
    policy: list[str]
    drifts: list[Drift]
    deployments: list[Deployment]
    kept: list[Deployment]
    models: dict[str, Model]


def stream_of(
    seed: int,
    count: int,
    *,
    start: int = 2_000,
    bayes_auc: float = 0.62,
    drift: layer_a.Drift = "NONE",
    drift_at: int = 0,
) -> Stream:
    """Return `start` + `count` samples; the law changes `drift_at` signals into the live part."""
    samples = layer_a.draw(
        np.random.default_rng(seed),
        start + count,
        bayes_auc=bayes_auc,
        drift=drift,
        drift_at=start + drift_at,
    )
    data = dataset_of(samples.features, samples.outcome, names=layer_a.FEATURE_NAMES)
    return Stream(samples, paying(with_signal_columns(data)), start)


def paying(data: Dataset) -> Dataset:
    """The same samples where a win pays so much that all signals together earn nothing."""
    won = (1.0 - BREAK_EVEN) / BREAK_EVEN
    r_multiple = np.where(data.y == 1, won, -1.0)
    columns = {name: getattr(data, name) for name in data.__dataclass_fields__}
    return Dataset(**columns | {"r_multiple": r_multiple})


class Buses(NamedTuple):
    """A connection for each who has one."""

    own: Bus
    trainer: Bus
    monitor: Bus


class Learning:
    """One run. `drift` None: nobody watches. `asks`: what somebody else requests, and when."""

    def __init__(
        self,
        folder: Path,
        stream: Stream,
        *,
        drift: DriftSettings | None,
        train: TrainSettings,
        asks: Request,
        buses: Buses,
    ) -> None:
        self._stream = stream
        self._drift = drift
        self._asks = asks
        self._bus, self._monitor_bus = buses.own, buses.monitor
        self._strategy = StrategySettings(
            STRATEGY, kind="external", ml=MlSettings(confidence_threshold=BREAK_EVEN)
        )
        self._signer = load_or_create_signing_key(folder / "keys")
        self._worker = RetrainWorker(
            buses.trainer,
            (self._strategy,),
            layer_a.FEATURE_NAMES,
            settings=train,
            database_path=folder / "features.db",
            folder=folder / "jobs",
            signer=self._signer,
        )
        self._models: dict[str, Model] = {}
        self._orders: list[Deployment] = []
        self._policies: list[Policy] = []
        self._seen = dict.fromkeys((topology.INPUT, topology.DRIFT), 0)
        self._drift_ts = 0
        self._acted = Acted([], np.empty(0), [], [], [], [], self._models)

    async def run(self) -> Acted:
        """Train the first model, live through the rest of the stream, and return what acted."""
        data, start = self._stream.data, self._stream.start
        history = data.take(np.arange(len(data)) < start)
        for scored, outcome in events_of(history, STRATEGY):
            await self._tell(scored, outcome)
        # The first model is in force from the first live signal on.
        asked_ts = int(history.exit_ts.max())
        first = Retrain("first", STRATEGY, None, "initial", 0, "test", asked_ts)
        said: list[float] = []
        async with self._working():
            await self._bus.publish(subjects.retrain(STRATEGY), codec.encode(first))
            await self._settled(0)
            self._orders = [replace(one, effective_ts=0) for one in self._orders]
            days = np.unique(data.ts[start:])
            waiting: list[Outcome] = []
            for day in days:
                rows = np.flatnonzero((data.ts == day) & (np.arange(len(data)) >= start))
                waiting = await self._day(int(day), rows, waiting, said)
        return self._acted._replace(probability=np.array(said))

    async def _day(
        self, day: int, rows: NDArray[np.int64], due: list[Outcome], said: list[float]
    ) -> list[Outcome]:
        """Label what was answered the day before, answer today's signals; return their labels."""
        for outcome in due:
            await self._bus.send(subjects.outcome(STRATEGY, outcome.symbol), codec.encode(outcome))
        opened = []
        for scored, outcome in events_of(self._stream.data.take(rows), STRATEGY):
            answer = self._answer(scored)
            said.append(np.nan if answer.probability is None else answer.probability)
            subject = subjects.scored if answer.accepted else subjects.rejected
            await self._bus.send(subject(STRATEGY, answer.symbol), codec.encode(answer))
            opened.append(
                replace(
                    outcome,
                    accepted=answer.accepted,
                    probability=answer.probability,
                    model=answer.model,
                )
            )
        for role in ("scorer", "labeller"):
            progress = Progress(role, 0, day, 0)
            await self._bus.send(subjects.progress(role, 0), codec.encode(progress))
        await self._bus.flush()
        known = int(rows[0]) - self._stream.start
        request = self._asks(known)
        if request is not None:
            request = replace(request, ts=day)
            await self._bus.publish(subjects.retrain(STRATEGY), codec.encode(request))
        await self._settled(day)
        return opened

    def _answer(self, scored: Scored) -> Scored:
        deployed = [one for one in self._orders if one.effective_ts <= scored.ts]
        ordered = [one for one in self._policies if one.effective_ts <= scored.ts]
        policy = ordered[-1].action if ordered and ordered[-1].action != "resume" else ""
        version = deployed[-1].version if deployed and deployed[-1].digest else ""
        probability = None
        if version:
            vector = np.frombuffer(scored.inputs, dtype="<f4")
            probability, _ = self._models[version].speak(vector)
        self._acted.model.append(version if probability is not None else "")
        self._acted.policy.append(policy)
        accepts = policy != "" or probability is None or probability >= BREAK_EVEN
        return replace(
            scored,
            probability=probability,
            accepted=accepts,
            mode=policy or "filter",
            model=version or None,
            reasons=(),
        )

    async def _tell(self, scored: Scored, outcome: Outcome) -> None:
        await self._bus.send(subjects.scored(STRATEGY, scored.symbol), codec.encode(scored))
        await self._bus.send(subjects.outcome(STRATEGY, scored.symbol), codec.encode(outcome))

    @contextlib.asynccontextmanager
    async def _working(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        roles = [self._worker.run(stop)]
        if self._drift is not None:
            core = DriftMonitor(self._drift)
            roles.append(drift_shell(self._monitor_bus, core).run(stop))
        tasks = [asyncio.create_task(role) for role in roles]
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE_S)

    async def _settled(self, day: int) -> None:
        """Return when the monitor has judged up to `day` and every request is answered."""
        queue = await self._bus.work_queue(topology.RETRAIN, "trainers")
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await self._read()
                if (self._drift is None or self._drift_ts >= day) and not await queue.pending():
                    break
                await asyncio.sleep(POLL_S)
        await queue.close()
        await self._read()

    async def _read(self) -> None:
        for stream in self._seen:
            last = await self._bus.last_seq(stream)
            if last == self._seen[stream]:
                continue
            subscription = await self._bus.read(stream, self._seen[stream] + 1)
            while self._seen[stream] < last:
                for message in await subscription.next_batch(PATIENCE_S):
                    event = codec.decode(message.payload)
                    await self._note(event, message.subject)
                    self._seen[stream] = message.seq
            await subscription.close()

    async def _note(self, event: object, subject: str) -> None:
        if isinstance(event, Progress) and event.role == "drift":
            self._drift_ts = max(self._drift_ts, event.event_ts)
        elif isinstance(event, Drift):
            self._acted.drifts.append(event)
        elif isinstance(event, Policy):
            self._policies.append(event)
        elif isinstance(event, Deployment) and subject.startswith("models.kept."):
            self._acted.kept.append(event)
        elif isinstance(event, Deployment):
            self._acted.deployments.append(event)
            if event.digest:
                artifact = await Registry(self._bus).get(event.digest)
                assert artifact is not None
                trusted = (self._signer.public_hex,)
                self._models[event.version] = load_model(artifact, NAMES, trusted)
            self._orders.append(event)


def live(
    folder: Path,
    stream: Stream,
    *,
    drift: DriftSettings | None,
    train: TrainSettings,
    asks: Request = lambda known: None,
    is_over_nats: bool = False,
) -> Acted:
    """Make one run in `folder`, jobs in this process, over memory or a server of its own."""
    folder.mkdir(parents=True, exist_ok=True)

    async def learned() -> Acted:
        async with contextlib.AsyncExitStack() as stack:
            if is_over_nats:
                broker = stack.enter_context(EmbeddedBroker.start(folder / "nats"))
                connected = [await NatsBus.connect(broker.url) for _ in Buses._fields]
                for bus in connected:
                    stack.push_async_callback(bus.close)
                await provision(connected[0].jetstream)
                buses = Buses(*connected)
            else:
                memory = MemoryBus()
                buses = Buses(memory, memory.handle(), memory.handle())
            learning = Learning(folder, stream, drift=drift, train=train, asks=asks, buses=buses)
            return await learning.run()

    here = unittest.mock.patch.object(training_jobs, "run_in_process", run_job_here)
    with threadpool_limits(1), here:
        return asyncio.run(learned())


def share_of_edge(model: Model, law: layer_a.Samples, bayes_auc: float) -> float:
    """How much of what can be known under `law` a model knows: 1 all, 0 nothing, below: misled.

    (AUC - 1/2) over (Bayes AUC - 1/2), both without the noise of outcomes.
    """
    data = with_signal_columns(dataset_of(law.features, law.outcome, names=layer_a.FEATURE_NAMES))
    said = [model.predict(np.ascontiguousarray(row)) for row in data.x]
    area = layer_a.expected_auc(np.array(said), law.probability)
    return (area - 0.5) / (bayes_auc - 0.5)
