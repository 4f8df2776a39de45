"""The trainer's role: retrain requests in; models that came into force, or stayed, out.

A request is taken from the RETRAIN work queue and held by heartbeats until it is its strategy's
turn. The samples that were known at its event time are read once everything in the streams is in
the database; a job in a process of its own trains and judges; the decision is written into the
ledger, and only then carried out: artefact, pointer, `models.deployed` (INPUT) or `models.kept`
(DRIFT), policy, shadow record. Every step may be repeated by this worker or another one, and is
done once. What somebody had decided who died before all of it was out is finished first.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from engine.context_settings import NO_CONTEXT, ContextSettings
from engine.settings import StrategySettings
from engine.shells.lease import Lease
from engine.shells.reading import Reading, gauge
from models.signing import SigningKey
from models.vector import vector_names
from streams import codec, subjects, topology
from streams.bus import HEADER_ERROR, Bus, Message, Work, WorkQueue
from streams.errors import BusError, ModelError, WireError
from streams.events import Retrain
from streams.waiting import end_tasks
from trainers.backtest_samples import register_run
from trainers.collector import Collector
from trainers.database.feature_database import FeatureDatabase
from trainers.learner import check_learner
from trainers.retraining.attempts import Attempts
from trainers.retraining.collecting import Collecting
from trainers.retraining.decider import Decider
from trainers.retraining.job import FAILED
from trainers.retraining.job_process import COMMAND
from trainers.retraining.ledger import Decision, Ledger
from trainers.retraining.publishing import Publishing
from trainers.retraining.refusals import AHEAD, COALESCED, GAVE_UP, is_ahead
from trainers.retraining.request import check_request, is_persons
from trainers.retraining.stream_reading import newest_progress_ts
from trainers.retraining.taking import Taken, Taking
from trainers.retraining.together import run_together
from trainers.retraining.training_jobs import TrainingJobs
from trainers.retraining.training_meter import TrainingMeter
from trainers.retraining.turns import Turns
from trainers.retraining.vouching import Vouching
from trainers.settings import TrainSettings

TAKE_TIMEOUT_S = 0.5
QUEUE_ANSWER_S = 2.0
ATTEMPTS_MAX = 5
STANDS_FOR_NO_REVIEW = (COALESCED, AHEAD)
"""Refusals of a strategy's review that go for its symbols' as well."""

log = logging.getLogger("assay.trainer")


class _Desk(NamedTuple):
    """What a worker works with while it runs."""

    queue: WorkQueue
    collecting: Collecting | None
    database: FeatureDatabase


class RetrainWorker:
    """Answers retrain requests of `strategies`, one at a time; run several for more strategies.

    `feature_names` are the market features that the scorers serve, `context` what these know of
    other symbols. `folder` holds the jobs' files, `database_path`, a path or a PostgreSQL URL, the
    samples. `signer` vouches for new models, whose public key is trusted beside `trusted_keys`.
    Without `collects` nothing is added to the samples that are there. Raises ConfigError for a
    learner that is not known.
    """

    def __init__(
        self,
        bus: Bus,
        strategies: tuple[StrategySettings, ...],
        feature_names: tuple[str, ...],
        *,
        settings: TrainSettings,
        database_path: str | Path,
        folder: Path,
        signer: SigningKey,
        trusted_keys: Sequence[str] = (),
        context: ContextSettings = NO_CONTEXT,
        collects: bool = True,
        shard: int = 0,
        job_command: Sequence[str] = COMMAND,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        for learner in settings.learners:
            check_learner(learner)
        self._bus = bus
        self._shard = shard
        self._collects = collects
        self._database_path = database_path
        self._on_ready = on_ready
        self._strategies = strategies
        self._feature_names = feature_names
        self._context = context
        self._names = {s.name: vector_names(feature_names, s.features) for s in strategies}
        self._ledger = Ledger(bus)
        self._turns = Turns(bus)
        self._attempts = Attempts(bus)
        self._meter = TrainingMeter()
        self._queue: WorkQueue | None = None
        self._publishing = Publishing(bus, self._ledger)
        by_name = {s.name: s for s in strategies}
        jobs = TrainingJobs(
            by_name,
            self._names,
            context=context,
            settings=settings,
            database_path=database_path,
            folder=folder / f"trainer-{shard}",
            signer=signer,
            trusted_keys=tuple({*trusted_keys, signer.public_hex}),
            command=job_command,
        )
        self._decider = Decider(bus, by_name, settings, jobs)

    async def readings(self) -> list[Reading]:
        """Return what is to be told of this trainer now; without the queue where it is away."""
        found = list(self._meter.readings())
        try:
            async with asyncio.timeout(QUEUE_ANSWER_S):
                if self._queue is not None:
                    waiting = await self._queue.pending()
                    meaning = "Requests that wait or are worked on, by whichever trainer."
                    found.append(gauge("training_queue_messages", meaning, waiting))
        except (BusError, TimeoutError):
            return found
        return found

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; raises BusError when the bus is lost for good.

        A request that is being worked on goes back to the queue, and its job is ended.
        """
        finished = await self._publishing.finish_open()
        if finished:
            log.info("finished what was decided before: %d", finished)
        queue = self._queue = await self._bus.work_queue(topology.RETRAIN, "trainers")
        with FeatureDatabase(self._database_path) as database:
            provenance = register_run(
                database, self._strategies, self._feature_names, context=self._context
            )
            collector = Collector(database, provenance, is_rereading=True)
            collecting = Collecting(self._bus, collector) if self._collects else None
            desk = _Desk(queue, collecting, database)
            vouching = Vouching(self._bus, queue, self._shard)

            async def take() -> None:
                taking = Taking(queue, self._turns, self._request_of)
                try:
                    while True:
                        found = await taking.next(TAKE_TIMEOUT_S)
                        if found is not None:
                            taken, turn = found
                            async with self._turns.kept(turn):
                                await self._handle(taken, turn, desk)
                finally:
                    await taking.close()

            async def until_stopped() -> None:
                await stop.wait()

            work = [vouching.run(), take(), until_stopped()]
            if collecting is not None:
                work.append(collecting.run())
            self._on_ready()
            try:
                await run_together(*work)
            finally:
                await queue.close()

    async def _request_of(self, work: Work) -> Retrain | None:
        """Return the request of a unit; one without is done with."""
        request = await self._read(work)
        if request is None:
            self._meter.refuse()
            await work.done()
        return request

    async def _handle(self, taken: Taken, turn: Lease, desk: _Desk) -> None:
        work, request = taken.work, taken.request
        self._meter.begin()
        try:
            decision = await self._answer(request, work, turn, desk)
            if decision is not None and decision.reason not in STANDS_FOR_NO_REVIEW:
                for review in await self._decider.reviews_beside(request):
                    decision = await self._answer(review, work, turn, desk)
                    if decision is None:
                        break
            if decision is None:
                log.warning("the turn of %s was lost meanwhile", request.strategy)
                await work.retry(0.0)
            else:
                await work.done()
        except ModelError as error:
            # What was decided stands in the ledger: whoever starts next finishes it.
            log.error("request %s cannot be carried out: %s", request.request_id, error)
            await self._refuse(work.message, "not_carried_out")
            await work.done()
        except asyncio.CancelledError:
            await work.retry(0.0)
            raise
        finally:
            self._meter.end()
            await end_tasks((taken.beating,))

    async def _answer(
        self, request: Retrain, work: Work, turn: Lease, desk: _Desk
    ) -> Decision | None:
        """Decide a request and carry that out; None, and nothing done, where the turn was lost."""
        began = asyncio.get_running_loop().time()
        decision = await self._ledger.find(request.request_id)
        is_fresh = False
        if decision is None:
            attempt = await self._attempts.begin(request.strategy, request.request_id)
            try:
                found = await self._found(request, attempt, work, desk)
            except asyncio.CancelledError:
                await self._attempts.withdraw(request.strategy, request.request_id)
                raise
            if not turn.is_fresh:
                return None
            decision, is_fresh = await self._ledger.decide(found)
            took_s = asyncio.get_running_loop().time() - began
            self._meter.decide(request, decision, took_s)
        else:
            log.info("request %s was decided before", request.request_id)
        return await self._publishing.carry_out(decision, is_fresh=is_fresh)

    async def _found(self, request: Retrain, attempt: int, work: Work, desk: _Desk) -> Decision:
        waiting = () if is_persons(request) else await _behind(desk.queue, work.message)
        if desk.collecting is not None:
            await desk.collecting.catch_up()
        newest_ts = desk.database.newest_exit_ts(request.strategy)
        known_ts = max(newest_ts, await newest_progress_ts(self._bus))
        if is_ahead(request, known_ts):
            return await self._decider.refuse(request, known_ts, AHEAD)
        waiting = [newer for newer in waiting if not is_ahead(newer, known_ts)]
        cutoff_ts = request.ts or newest_ts
        return await self._decide(request, cutoff_ts, desk.database, waiting, attempt)

    async def _decide(
        self,
        request: Retrain,
        cutoff_ts: int,
        database: FeatureDatabase,
        waiting: Sequence[Retrain],
        attempt: int,
    ) -> Decision:
        try:
            if attempt > ATTEMPTS_MAX:
                reason = f"{GAVE_UP}: begun {ATTEMPTS_MAX} times without an answer"
                return await self._decider.refuse(request, cutoff_ts, reason)
            return await self._decider.decide(request, cutoff_ts, database, waiting)
        except ModelError as error:
            log.error("request %s: %s", request.request_id, error)
            return await self._decider.refuse(request, cutoff_ts, f"{FAILED}: {error}")

    async def _read(self, work: Work) -> Retrain | None:
        """Return the request, or None where it cannot be honoured: it is then a dead letter."""
        message = work.message
        try:
            event = codec.decode(message.payload)
            if not isinstance(event, Retrain):
                raise WireError("schema", f"{type(event).__name__} is no retrain request")
            if event.strategy not in self._names:
                known = ", ".join(sorted(self._names))
                raise WireError(
                    "unknown_strategy", f"{event.strategy!r} is not configured; known: {known}"
                )
            check_request(event)
        except WireError as error:
            log.warning("refused %s: %s", message.subject, error)
            await self._refuse(message, error.reason)
            return None
        return msgspec.structs.replace(event, symbol=event.symbol or None)

    async def _refuse(self, message: Message, reason: str) -> None:
        """Make a dead letter of what cannot be answered."""
        subject, headers = subjects.dead_letter(message.subject), {HEADER_ERROR: reason}
        await self._bus.publish(subject, message.payload, headers=headers)


async def _behind(queue: WorkQueue, message: Message) -> Sequence[Retrain]:
    """Return the requests behind a message in the queue, as far as they can be honoured."""
    found = []
    for later in await queue.behind(message):
        with contextlib.suppress(WireError):
            event = codec.decode(later.payload)
            if isinstance(event, Retrain):
                check_request(event)
                found.append(event)
    return found
