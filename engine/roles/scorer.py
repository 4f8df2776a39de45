"""The scorer's role: INPUT in, answers into SCORED, dead letters into DLQ.

Beside the shell's work it fetches and verifies the models that deployments name, and lets
signals expire that have waited too long for their bar.

A deployment counts for what stands behind it in INPUT, so the messages behind it wait for its
model. Models are fetched as soon as their deployments come in, several at a time, and are made
ready in a thread: only the scorer waits for them, not its connection.
"""

import asyncio
import logging
from typing import Any

from engine.answer import Answer
from engine.rehearsal import Rehearsal
from engine.saved import Saved
from engine.scorer import Scorer
from engine.shells.shell import Feed, Shell
from models.artifact import Artifact
from models.onnx_session import Model, load_model
from models.registry import Registry
from models.row_kernels import load_row_kernels
from streams import codec, subjects, topology
from streams.bus import Bus, Message
from streams.clock import Clock
from streams.errors import BusError, ModelRefused, WireError
from streams.events import Deployment, Event, Expire
from streams.headers import id_part
from streams.intake import event_of
from streams.waiting import end_tasks

ROLE = "scorer"
EXPIRE_AFTER_S = 30.0
FETCH_TRIES = 5
FETCH_PAUSE_S = 0.5
FORESEEN_MAX = 8
MODELS_CACHED_MAX = 32
LOOK_EVERY_S = 0.2
DEPLOYED = subjects.DEPLOYED.removesuffix(">")
_S_TO_NS = 1_000_000_000
_LOOK_EVERY_NS = int(LOOK_EVERY_S * _S_TO_NS)

Key = tuple[str, str | None, str, str]

log = logging.getLogger("assay.scorer")


class ScorerRole(Shell):
    """Runs a Scorer. `trusted_keys` are the hex public keys whose models may speak."""

    def __init__(
        self,
        bus: Bus,
        core: Scorer,
        *,
        registry: Registry,
        trusted_keys: tuple[str, ...],
        clock: Clock,
        expire_after_s: float = EXPIRE_AFTER_S,
        **options: Any,
    ) -> None:
        super().__init__(
            bus,
            core,
            role=ROLE,
            feeds=(Feed(topology.INPUT),),
            writes=(topology.SCORED, topology.DLQ),
            **options,
        )
        self._scorer = core
        self._registry = registry
        self._trusted_keys = trusted_keys
        self._clock = clock
        self._expire_after_ns = int(expire_after_s * _S_TO_NS)
        self._waiting_since: dict[str, int] = {}
        self._looked_ns = 0
        self._models: dict[Key, Model] = {}
        self._foreseen: dict[Key, asyncio.Task[Model]] = {}
        self._rehearsal = Rehearsal(self._rehearse)
        # Now, not when the first model comes: a third of a second.
        load_row_kernels()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; raises BusError when the bus is lost for good."""
        try:
            await super().run(stop)
        finally:
            self._rehearsal.close()
            await end_tasks(self._foreseen.values())

    async def load(self, saved: Saved) -> bool:
        """Let the core go on, with the models that were in force; without one of them it cannot."""
        models: dict[str, Model] = {}
        for deployment in self._scorer.deployed_in(saved):
            if deployment.digest in models:
                continue
            model = await self._fetch(deployment)
            if isinstance(model, ModelRefused):
                log.warning("a model of the snapshot is of no use: replaying")
                return False
            models[deployment.digest] = model
        self._scorer.load(saved, models)
        return True

    def foresee(self, messages: list[Message]) -> None:
        """Begin to fetch the models of deployments that are to be taken soon."""
        for message in messages:
            if not message.subject.startswith(DEPLOYED):
                continue
            event = event_of(message)
            if isinstance(event, Deployment) and _needs_model(event):
                key = _key(event)
                is_known = key in self._models or key in self._foreseen
                if not is_known and len(self._foreseen) < FORESEEN_MAX:
                    self._foreseen[key] = asyncio.create_task(self._load(event, FETCH_TRIES))

    async def handle(self, event: Event, message: Message) -> list[Answer]:
        """Step the core; a deployment's model is fetched and verified first."""
        if not isinstance(event, Deployment):
            answers = self._scorer.step(event)
            if answers:
                self._rehearsal.note()
            return answers
        model = await self._fetch(event) if _needs_model(event) else None
        return self._scorer.deploy(event, model)

    def refuse(self, message: Message, error: WireError) -> list[Answer]:
        """Send what cannot be honoured to the dead letters."""
        log.warning("refused %s: %s", message.subject, error)
        return self._scorer.refuse(message.subject, message.payload, error)

    async def tick(self) -> None:
        """Record in INPUT that signals have waited long enough."""
        now_ns = self._clock.now_ns()
        if abs(now_ns - self._looked_ns) < _LOOK_EVERY_NS:
            return
        self._looked_ns = now_ns
        waiting = {signal.signal_id: signal for signal in self._scorer.waiting()}
        self._waiting_since = {
            signal_id: self._waiting_since.get(signal_id, now_ns) for signal_id in waiting
        }
        for signal_id, since_ns in self._waiting_since.items():
            if now_ns - since_ns >= self._expire_after_ns:
                signal = waiting[signal_id]
                event = Expire(signal.strategy, signal.symbol, signal_id)
                subject = subjects.expire(signal.strategy, signal.symbol)
                expire_id = f"expire:{id_part(signal_id)}"
                await self._send(subject, codec.encode(event), msg_id=expire_id)
                self._waiting_since[signal_id] = now_ns

    def _rehearse(self) -> None:
        answer = self._scorer.rehearse()
        if answer is not None and not isinstance(answer.event, bytes):
            codec.decode(codec.encode(answer.event, self._encoding))

    async def _fetch(self, deployment: Deployment) -> Model | ModelRefused:
        key = _key(deployment)
        if key in self._models:
            return self._models[key]
        try:
            model = await self._foreseen_or_loaded(deployment)
        except ModelRefused as refused:
            log.error("model %s refused: %s", deployment.version, refused)
            return refused
        if len(self._models) >= MODELS_CACHED_MAX:
            del self._models[next(iter(self._models))]
        self._models[key] = model
        return model

    async def _foreseen_or_loaded(self, deployment: Deployment) -> Model:
        foreseen = self._foreseen.pop(_key(deployment), None)
        if foreseen is None:
            return await self._load(deployment, FETCH_TRIES)
        try:
            return await foreseen
        except ModelRefused:
            # What was not there when it was foreseen may be there now.
            return await self._load(deployment, 1)
        except BusError:
            return await self._load(deployment, FETCH_TRIES)

    async def _load(self, deployment: Deployment, tries: int) -> Model:
        """Fetch a model and prove it. Raises ModelRefused, and BusError where nobody can be asked.

        A store that does not answer says nothing about a model: to refuse it for that would let
        signals be answered otherwise than in any replay.
        """
        if deployment.strategy not in self._scorer.strategy_names:
            raise ModelRefused(f"strategy {deployment.strategy!r} is not configured")
        unanswered: BusError | None = None
        for left in reversed(range(tries)):
            artifact: Artifact | None = None
            try:
                artifact = await self._registry.get(deployment.digest)
                unanswered = None
            except BusError as error:
                log.warning("model %s not fetched yet: %s", deployment.version, error)
                unanswered = error
            if artifact is not None:
                return await asyncio.to_thread(self._verified, deployment, artifact)
            if left:
                await asyncio.sleep(FETCH_PAUSE_S)
        if unanswered is not None:
            raise unanswered
        raise ModelRefused(f"no artefact {deployment.digest} in the object store")

    def _verified(self, deployment: Deployment, artifact: Artifact) -> Model:
        model = load_model(
            artifact,
            self._scorer.vector_names(deployment.strategy),
            trusted_keys=self._trusted_keys,
            expected_digest=deployment.digest,
            scope=(deployment.strategy, deployment.symbol),
        )
        if model.version != deployment.version:
            raise ModelRefused(
                f"the deployment names version {deployment.version}, the artefact is "
                f"{model.version}"
            )
        return model


def _needs_model(deployment: Deployment) -> bool:
    # The end of a canary counts although its model cannot be had any more.
    return bool(deployment.digest) and deployment.share != 0.0


def _key(deployment: Deployment) -> Key:
    return (deployment.strategy, deployment.symbol, deployment.version, deployment.digest)
