"""A trainer in a process of its own that kills itself at a chosen step: a real SIGKILL.

Steps are what others can see of it: jobs begun, objects, keys and messages written, units
acknowledged. STEP 0: it lives. Its leases are short, so that what it held is soon taken by another
one, and now and then is taken while it still works on it.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from engine.settings import StrategySettings
from models.signing import load_or_create_signing_key
from streams import layer_a
from streams.nats_bus import NatsBus
from streams.nats_queue import NatsWork
from tests.trainers.house import STRATEGY, run_job_here
from trainers.retraining import training_jobs, turns
from trainers.retraining.worker import RetrainWorker
from trainers.settings import TrainSettings

LEASE_S = 1.0
SETTINGS = TrainSettings(learners=("logistic",), delay_days=0.0)
STEPS = ((NatsBus, "key_put"), (NatsBus, "publish"), (NatsBus, "object_put"), (NatsWork, "done"))

Step = Callable[..., Awaitable[Any]]


class Fate:
    """Counts steps and ends the process before or behind the chosen one."""

    def __init__(self, step: int, when: str) -> None:
        self._left = step
        self._when = when

    def binding(self, step: Step) -> Step:
        """Return the same step, as one that may be the last."""

        async def bound(*arguments: Any, **options: Any) -> Any:
            self._left -= 1
            is_last = self._left == 0
            if is_last and self._when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = await step(*arguments, **options)
            if is_last:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return bound


async def work(url: str, folder: Path, shard: int, fate: Fate) -> None:
    for owner, name in STEPS:
        setattr(owner, name, fate.binding(getattr(owner, name)))
    training_jobs.run_in_process = fate.binding(run_job_here)  # type: ignore[assignment]
    turns.TURN_LEASE_S = LEASE_S
    worker = RetrainWorker(
        await NatsBus.connect(url, name=f"trainer-{shard}", ack_wait_s=LEASE_S),
        (StrategySettings(STRATEGY, kind="external"),),
        layer_a.FEATURE_NAMES,
        settings=SETTINGS,
        database_path=folder / "features.db",
        folder=folder / "jobs",
        signer=load_or_create_signing_key(folder / "keys"),
        shard=shard,
    )
    await worker.run(asyncio.Event())


def live(url: str, folder: Path, shard: int, step: int, when: str) -> None:
    """Work until the end; what is said goes into the trainer's log file in `folder`."""
    log = os.open(folder / f"trainer-{shard}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    asyncio.run(work(url, folder, shard, Fate(step, when)))
