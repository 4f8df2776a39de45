"""Sees to it that requests are answered: by the live trainer, or here where there is none.

A worker beside another one is no harm, only work: each request is decided once, whoever answers.
So where it is not known whether one lives, it is waited for first and helped then.
"""

import asyncio
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from deploy.config import RunSettings
from deploy.report import in_words
from deploy.role_runtime import RoleContext
from deploy.state import StateDir
from streams import subjects, topology
from streams.errors import BusError, ConfigError
from streams.events import Retrain
from streams.jetstream import JetStreamError
from streams.limits import WORK_ACK_WAIT_S
from streams.nats_bus import NatsBus
from streams.waiting import end_tasks
from trainers.retraining.ledger import Decision, Ledger

if TYPE_CHECKING:
    from trainers.retraining.worker import RetrainWorker

POLL_S = 0.1
LOOKS = 5
"""How often in a row nobody may be seen to ask for work before it is done here."""

BUSY_PATIENCE_S = 2 * WORK_ACK_WAIT_S
"""How long whoever holds a request is waited for: whoever died has lost it by then."""

WORKERS = "trainers"
JOBS_FOLDER = "learn"


class Answered(msgspec.Struct, frozen=True):
    """A request and what it came to: `words` for people, `figures` the gate's.

    `digest` is that of the model that was made or chosen, "" where there was none.
    """

    request_id: str
    strategy: str
    symbol: str | None
    action: str
    asked: str
    asked_by: str
    ts: int
    is_promoted: bool
    version: str
    digest: str
    previous: str
    share: float
    effective_ts: int
    reason: str
    words: str
    figures: dict[str, float | str]


def answered_of(decision: Decision) -> Answered:
    """Return a decision of the ledger as people are told of it."""
    made, request = decision.deployment, decision.request
    asked = Retrain(decision.request_id, made.strategy, made.symbol, "", 0, made.by)
    request = request or asked
    return Answered(
        request_id=decision.request_id,
        strategy=made.strategy,
        symbol=made.symbol,
        action=request.action if decision.request else decision.reason,
        asked=request.reason or made.why,
        asked_by=request.requested_by,
        ts=decision.cutoff_ts,
        is_promoted=decision.is_promoted,
        version=made.version,
        digest=made.digest,
        previous=made.previous or "",
        share=made.share,
        effective_ts=made.effective_ts,
        reason=decision.reason,
        words=in_words(decision.reason),
        figures=made.verdict,
    )


def _worker(context: RoleContext, folder: Path) -> "RetrainWorker":
    # What a trainer needs is half of what such a process weighs: most find nothing to answer.
    from deploy.wiring.trainer import worker_of

    return worker_of(context, folder)


class Answering:
    """Answers what waits at `bus` for the strategies of `settings`."""

    def __init__(self, bus: NatsBus, settings: RunSettings, state: StateDir) -> None:
        self._bus = bus
        self._settings = settings
        self._state = state
        self._ledger = Ledger(bus)
        self._unattended = 0
        self._busy_since = 0.0

    async def finish(self, own: Collection[str] = ()) -> None:
        """Return when the queue is empty and each of the requests `own` is carried out.

        Raises ConfigError where requests wait of strategies that are not configured: the worker
        would throw them away; BusError when the bus fails, or one of `own` is thrown away.
        """
        stop = asyncio.Event()
        work: asyncio.Task[None] | None = None
        try:
            while not await self._is_all_answered(own):
                if work is not None and work.done():
                    work.result()
                if work is None and await self._is_left_alone():
                    await self._check_known()
                    folder = self._state.jobs / JOBS_FOLDER
                    context = RoleContext(
                        self._settings, self._state, self._bus, 0, 1, lambda: None
                    )
                    work = asyncio.create_task(_worker(context, folder).run(stop))
                await asyncio.sleep(POLL_S)
            stop.set()
            if work is not None:
                await work
        finally:
            if work is not None:
                await end_tasks((work,))

    async def _is_all_answered(self, own: Collection[str]) -> bool:
        if (await self._bus.jetstream.stream_state(topology.RETRAIN)).messages:
            return False
        for request_id in own:
            decision = await self._ledger.find(request_id)
            if decision is None or not decision.is_out:
                raise BusError(
                    f"request {request_id} has left the queue without an answer: the trainer that "
                    "took it does not know its strategy; see its --config, and the stream DLQ"
                )
        return True

    async def _is_left_alone(self) -> bool:
        """Whether nobody seems to be at the queue."""
        now = asyncio.get_running_loop().time()
        try:
            found = await self._bus.jetstream.call(f"CONSUMER.INFO.{topology.RETRAIN}.{WORKERS}")
        except JetStreamError:
            return True
        if found["num_waiting"]:
            self._unattended, self._busy_since = 0, 0.0
            return False
        self._unattended += 1
        if found["num_ack_pending"]:
            self._busy_since = self._busy_since or now
            return now - self._busy_since > BUSY_PATIENCE_S
        return self._unattended >= LOOKS

    async def _check_known(self) -> None:
        known = {one.name for one in self._settings.strategies}
        state = await self._bus.jetstream.stream_state(topology.RETRAIN, subjects.RETRAIN)
        asked = {subjects.name_of(subject.rpartition(".")[2]) for subject in state.subjects}
        if asked - known:
            raise ConfigError(
                f"models are asked for of {', '.join(sorted(asked - known))}, which --config does "
                f"not have: give the run's own; it has {', '.join(sorted(known))}"
            )
