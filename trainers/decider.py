"""Decides one retrain request: champion, job, verdict, artefact, policy."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from engine.settings import StrategySettings
from models.artifact import Artifact
from models.onnx_session import load_model
from models.registry import Pointer, Registry
from models.signing import SigningKey
from streams import codec, subjects, topology
from streams.bus import Bus
from streams.errors import ModelError, ModelRefused
from streams.events import Deployment, Policy, Retrain
from trainers.dataset import DAY_NS
from trainers.job import FAILED
from trainers.job_files import (
    CARD_FILE,
    CHAMPION_FILE,
    ONNX_FILE,
    Figure,
    JobRequest,
    JobResult,
    write_request,
)
from trainers.job_process import fresh_folder, run_in_process
from trainers.learner import NULL
from trainers.ledger import Decision
from trainers.policy_rule import TRAINER, policy_after
from trainers.settings import TrainSettings
from trainers.stream_reading import newest
from trainers.training import is_after_drift

PINNED = "pinned"
WHY_MAX = 200


class Decider:
    """Holds what does not change between requests; changes nothing but the object store."""

    def __init__(
        self,
        bus: Bus,
        strategies: Mapping[str, StrategySettings],
        names: Mapping[str, tuple[str, ...]],
        *,
        settings: TrainSettings,
        database_path: Path,
        folder: Path,
        signer: SigningKey,
        trusted_keys: tuple[str, ...],
        job_command: Sequence[str],
    ) -> None:
        self._bus = bus
        self._registry = Registry(bus)
        self._strategies = strategies
        self._names = names
        self._settings = settings
        self._database_path = database_path
        self._folder = folder
        self._signer = signer
        self._trusted_keys = trusted_keys
        self._job_command = job_command

    async def decide(self, request: Retrain, cutoff_ts: int) -> Decision:
        """Train and judge on what was known at `cutoff_ts`; raises ModelError when that fails."""
        own, pointer = await self._pointers(request)
        if self._strategies[request.strategy].ml.pinned or (pointer and pointer.pinned):
            result = JobResult(False, PINNED, {})
            return await self._decision(request, cutoff_ts, own, pointer, result, None)
        champion, missing = await self._champion(pointer)
        folder = fresh_folder(self._folder, subjects.token(request.request_id))
        if champion is not None:
            (folder / CHAMPION_FILE).write_bytes(champion.to_bundle())
        write_request(folder, self._job(request, cutoff_ts, champion is not None))
        result = await run_in_process(folder, command=self._job_command)
        if missing:
            result = msgspec.structs.replace(result, champion_refused=missing)
        artifact = self._sealed(folder, request) if result.learner else None
        if artifact is not None:
            await self._registry.put(artifact)
        return await self._decision(request, cutoff_ts, own, pointer, result, artifact)

    async def refuse(self, request: Retrain, cutoff_ts: int, error: ModelError) -> Decision:
        """Decide that nothing changes because no model could be made."""
        own = pointer = None
        # The pointer itself may be what could not be read.
        with contextlib.suppress(ModelRefused):
            own, pointer = await self._pointers(request)
        result = JobResult(False, f"{FAILED}: {error}", {})
        return await self._decision(request, cutoff_ts, own, pointer, result, None)

    async def _pointers(self, request: Retrain) -> tuple[Pointer | None, Pointer | None]:
        """Return the pointer of exactly the request's scope, and the one that counts there."""
        own = await self._registry.pointer(request.strategy, request.symbol)
        return own, own or await self._registry.pointer(request.strategy)

    def _job(self, request: Retrain, cutoff_ts: int, has_champion: bool) -> JobRequest:
        ml = self._strategies[request.strategy].ml
        return JobRequest(
            database=str(self._database_path.resolve()),
            names=self._names[request.strategy],
            retrain=request,
            cutoff_ts=cutoff_ts,
            settings=self._settings,
            threshold=ml.confidence_threshold if ml.prediction_mode == "filter" else None,
            has_champion=has_champion,
            trusted_keys=self._trusted_keys,
        )

    async def _champion(self, pointer: Pointer | None) -> tuple[Artifact | None, str]:
        """Return the artefact in force, or why there is none where a pointer names one."""
        if pointer is None or not pointer.current.digest:
            return None, ""
        try:
            artifact = await self._registry.get(pointer.current.digest)
        except ModelRefused as refused:
            return None, str(refused)
        return artifact, "" if artifact else f"no artefact {pointer.current.digest} in the store"

    def _sealed(self, folder: Path, request: Retrain) -> Artifact:
        """Sign what the job made, and hold it to what the scorer will hold it to."""
        card = (folder / CARD_FILE).read_bytes()
        artifact = Artifact(card, (folder / ONNX_FILE).read_bytes(), self._signer.sign(card))
        load_model(artifact, self._names[request.strategy], (self._signer.public_hex,))
        return artifact

    async def _decision(
        self,
        request: Retrain,
        cutoff_ts: int,
        own: Pointer | None,
        pointer: Pointer | None,
        result: JobResult,
        artifact: Artifact | None,
    ) -> Decision:
        effective_ts = cutoff_ts + int(self._settings.delay_days * DAY_NS)
        deployment = Deployment(
            strategy=request.strategy,
            symbol=request.symbol,
            version=artifact.version if artifact else NULL,
            digest=artifact.digest if artifact else "",
            effective_ts=effective_ts,
            previous=pointer.current.version if pointer else None,
            verdict=_verdict(request, result),
            request_id=request.request_id,
        )
        has_champion = bool(pointer and pointer.current.digest) and not result.champion_refused
        return Decision(
            request_id=request.request_id,
            deployment=deployment,
            is_promoted=result.promoted and artifact is not None,
            expected=own.revision if own else 0,
            policy=await self._policy(request, result, effective_ts, has_champion),
        )

    async def _policy(
        self, request: Retrain, result: JobResult, effective_ts: int, has_champion: bool
    ) -> Policy | None:
        standing = None
        subject = subjects.policy(request.strategy)
        message = await newest(self._bus, topology.INPUT, subject)
        if message is not None:
            standing = codec.decode(message.payload)
        action = policy_after(
            is_promoted=result.promoted,
            is_after_drift=is_after_drift(request),
            has_champion=has_champion,
            standing=standing,
        )
        if action is None:
            return None
        why = f"{request.reason}: {result.reason}"[:WHY_MAX]
        return Policy(request.strategy, action, TRAINER, why, effective_ts)


def _verdict(request: Retrain, result: JobResult) -> dict[str, Figure]:
    """The gate's figures as plain numbers and words, for the wire."""
    verdict: dict[str, Figure] = {"reason": result.reason, "requested": request.reason}
    if result.learner:
        verdict["learner"] = result.learner
    if result.champion_refused:
        verdict["champion_refused"] = result.champion_refused
    return verdict | result.figures
