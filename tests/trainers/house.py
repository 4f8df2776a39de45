"""A bus, a trainer's surroundings, and what an onlooker sees."""

import asyncio
import contextlib
from pathlib import Path

from engine.settings import StrategySettings
from models.signing import load_or_create_signing_key
from models.vector import vector_names
from streams import codec, layer_a, subjects, topology
from streams.bus import Bus
from streams.events import Progress, Retrain
from streams.memory_bus import MemoryBus
from tests.trainers.events import events_of
from tests.trainers.samples import layer_a_dataset, with_signal_columns
from trainers.dataset import Dataset
from trainers.retraining import job_process
from trainers.retraining.job import run_job
from trainers.retraining.job_files import JobResult
from trainers.retraining.worker import RetrainWorker
from trainers.settings import TrainSettings

STRATEGY = "synthetic"
NAMES = vector_names(layer_a.FEATURE_NAMES, ())
SKILLED = with_signal_columns(layer_a_dataset(900, seed=7))
PATIENCE_S = 60.0
IN_A_PROCESS = list(job_process.COMMAND)
"""The job_command of tests that are about the process; without one, jobs run in a thread."""


async def run_job_here(folder: Path, *, command: object, **options: object) -> JobResult:
    if command is not job_process.COMMAND:
        return await job_process.run_in_process(folder, command=command, **options)
    return await asyncio.to_thread(run_job, folder)


class House:
    """What happens in it is awaited with PATIENCE_S, never slept for."""

    def __init__(self, folder: Path) -> None:
        self.bus = MemoryBus()
        self.folder = folder
        self.signer = load_or_create_signing_key(folder / "keys")

    def worker(self, shard: int = 0, bus: Bus | None = None, **options) -> RetrainWorker:
        given = {"settings": TrainSettings(learners=("logistic",))} | options
        strategies = given.pop("strategies", (StrategySettings(STRATEGY, kind="external"),))
        return RetrainWorker(
            bus or self.bus.handle(),
            strategies,
            layer_a.FEATURE_NAMES,
            database_path=self.folder / "features.db",
            folder=self.folder / "jobs",
            signer=self.signer,
            shard=shard,
            **given,
        )

    @contextlib.asynccontextmanager
    async def working(self, *workers: RetrainWorker):
        stop = asyncio.Event()
        tasks = [asyncio.create_task(worker.run(stop)) for worker in workers]
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE_S)

    async def tell(self, samples: Dataset) -> None:
        for scored, outcome in events_of(samples):
            await self.bus.send(subjects.scored(STRATEGY, scored.symbol), codec.encode(scored))
            await self.bus.send(subjects.outcome(STRATEGY, scored.symbol), codec.encode(outcome))
        await self.bus.flush()

    async def come_to(self, ts: int) -> None:
        """Let the market go on until then, with or without signals."""
        progress = Progress("scorer", 0, ts, 0)
        await self.bus.publish(subjects.progress("scorer", 0), codec.encode(progress))

    async def ask(self, request_id: str, ts: int, reason: str = "initial", since_ts: int = 0):
        await self.come_to(ts)
        request = Retrain(request_id, STRATEGY, None, reason, since_ts, "test", ts)
        await self.bus.publish(subjects.retrain(STRATEGY), codec.encode(request))

    async def stored(self, stream: str, *wanted: str):
        subscription = await self.bus.read(stream, 1, wanted)
        found = []
        while batch := await subscription.next_batch(0.05):
            found += [codec.decode(message.payload) for message in batch]
        await subscription.close()
        return found

    async def deployed(self):
        return await self.stored(topology.INPUT, subjects.DEPLOYED)

    async def kept(self):
        return await self.stored(topology.DRIFT, subjects.KEPT)

    async def policies(self):
        return [p.action for p in await self.stored(topology.INPUT, subjects.POLICY)]

    async def until_idle(self) -> None:
        queue = await self.bus.work_queue(topology.RETRAIN, "trainers")
        async with asyncio.timeout(PATIENCE_S):
            while await queue.pending():
                await asyncio.sleep(0.05)
        await queue.close()


def end_of(samples: Dataset) -> int:
    return int(samples.exit_ts.max())
