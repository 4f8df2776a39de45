"""Decides one retrain request: champion, job, verdict, artefact, policy."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from engine.context_settings import ContextSettings
from engine.policies import TRAINER
from engine.settings import StrategySettings
from models.artifact import Artifact
from models.onnx_session import load_model
from models.registry import Registry
from models.signing import SigningKey
from streams.bus import Bus
from streams.errors import ModelError, ModelRefused
from streams.events import Deployment, Policy, Retrain
from trainers.database.location import absolute
from trainers.database.provenance import params_digest_of
from trainers.dataset import DAY_NS
from trainers.incumbent import Incumbent, incumbent_of
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
from trainers.job_process import drop_folder, fresh_folder, run_in_process
from trainers.learner import NULL
from trainers.ledger import Decision
from trainers.policy_rule import policy_after
from trainers.settings import TrainSettings
from trainers.stream_reading import standing_policy
from trainers.training import is_after_drift

PINNED = "pinned"
SUPERSEDED = "superseded"
MOOT = (PINNED, SUPERSEDED)
WHY_MAX = 200


class Decider:
    """Holds what does not change between requests; changes nothing but the object store."""

    def __init__(
        self,
        bus: Bus,
        strategies: Mapping[str, StrategySettings],
        names: Mapping[str, tuple[str, ...]],
        *,
        context: ContextSettings,
        settings: TrainSettings,
        database_path: str | Path,
        folder: Path,
        signer: SigningKey,
        trusted_keys: tuple[str, ...],
        job_command: Sequence[str],
    ) -> None:
        self._bus = bus
        self._registry = Registry(bus)
        self._strategies = strategies
        self._names = names
        self._context = context
        self._settings = settings
        self._database_path = database_path
        self._folder = folder
        self._signer = signer
        self._trusted_keys = trusted_keys
        self._job_command = job_command

    async def decide(self, request: Retrain, cutoff_ts: int) -> Decision:
        """Train and judge on what was known at `cutoff_ts`; raises ModelError when that fails."""
        settings = self._strategies[request.strategy]
        incumbent = await incumbent_of(self._registry, settings, request)
        moot = _moot(request, cutoff_ts, incumbent)
        if moot:
            result = JobResult(False, moot, {})
            return await self._decision(request, cutoff_ts, incumbent, result, None)
        folder = fresh_folder(self._folder, request.request_id)
        try:
            result, artifact = await self._trained(folder, request, cutoff_ts, incumbent)
        finally:
            drop_folder(folder)
        if incumbent.missing:
            result = msgspec.structs.replace(result, champion_refused=incumbent.missing)
        if artifact is not None:
            await self._registry.put(artifact)
        return await self._decision(request, cutoff_ts, incumbent, result, artifact)

    async def refuse(self, request: Retrain, cutoff_ts: int, error: ModelError) -> Decision:
        """Decide that nothing changes because no model could be made."""
        incumbent = Incumbent()
        # The pointer itself may be what could not be read.
        with contextlib.suppress(ModelRefused):
            settings = self._strategies[request.strategy]
            incumbent = await incumbent_of(self._registry, settings, request)
        result = JobResult(False, f"{FAILED}: {error}", {})
        return await self._decision(request, cutoff_ts, incumbent, result, None)

    async def _trained(
        self, folder: Path, request: Retrain, cutoff_ts: int, incumbent: Incumbent
    ) -> tuple[JobResult, Artifact | None]:
        if incumbent.artifact is not None:
            (folder / CHAMPION_FILE).write_bytes(incumbent.artifact.to_bundle())
        write_request(folder, self._job(request, cutoff_ts, incumbent.artifact is not None))
        result = await run_in_process(folder, command=self._job_command)
        return result, self._sealed(folder, request) if result.learner else None

    def _job(self, request: Retrain, cutoff_ts: int, has_champion: bool) -> JobRequest:
        ml = self._strategies[request.strategy].ml
        return JobRequest(
            database=absolute(self._database_path),
            names=self._names[request.strategy],
            retrain=request,
            cutoff_ts=cutoff_ts,
            settings=self._settings,
            threshold=ml.confidence_threshold if ml.prediction_mode == "filter" else None,
            has_champion=has_champion,
            trusted_keys=self._trusted_keys,
            params_digest=params_digest_of(self._strategies[request.strategy], self._context),
        )

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
        incumbent: Incumbent,
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
            previous=incumbent.version,
            verdict=_verdict(request, result),
            request_id=request.request_id,
        )
        has_champion = incumbent.artifact is not None and not result.champion_refused
        return Decision(
            request_id=request.request_id,
            deployment=deployment,
            is_promoted=result.promoted and artifact is not None,
            expected=incumbent.revision,
            policy=await self._policy(request, result, effective_ts, has_champion),
        )

    async def _policy(
        self, request: Retrain, result: JobResult, effective_ts: int, has_champion: bool
    ) -> Policy | None:
        # A policy counts for all symbols of a strategy: a model of one has no say in it.
        if result.reason in MOOT or request.symbol is not None:
            return None
        action = policy_after(
            is_promoted=result.promoted,
            is_after_drift=is_after_drift(request),
            has_champion=has_champion,
            standing=await standing_policy(self._bus, request.strategy),
        )
        if action is None:
            return None
        why = f"{request.reason}: {result.reason}"[:WHY_MAX]
        return Policy(request.strategy, action, TRAINER, why, effective_ts)


def _moot(request: Retrain, cutoff_ts: int, incumbent: Incumbent) -> str:
    """Return why a request asks for nothing any more, or "".

    A drift request of a time before the incumbent came into force is about its predecessor,
    which was being watched until the new one took over.
    """
    if incumbent.is_pinned:
        return PINNED
    if is_after_drift(request) and cutoff_ts < incumbent.effective_ts:
        return SUPERSEDED
    return ""


def _verdict(request: Retrain, result: JobResult) -> dict[str, Figure]:
    """The gate's figures as plain numbers and words, for the wire."""
    verdict: dict[str, Figure] = {"reason": result.reason, "requested": request.reason}
    if result.learner:
        verdict["learner"] = result.learner
    if result.champion_refused:
        verdict["champion_refused"] = result.champion_refused
    return verdict | result.figures
