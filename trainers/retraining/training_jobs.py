"""Runs training jobs for the decider: their files in, a signed and proven artefact out."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from engine.context_settings import ContextSettings
from engine.settings import StrategySettings
from models.artifact import Artifact
from models.onnx_session import load_model
from models.signing import SigningKey
from streams.events import Retrain
from trainers.database.location import absolute
from trainers.database.provenance import params_digest_of
from trainers.retraining.job_files import (
    CARD_FILE,
    CHAMPION_FILE,
    ONNX_FILE,
    Entrant,
    JobRequest,
    JobResult,
    shadow_file,
    write_request,
)
from trainers.retraining.job_process import drop_folder, fresh_folder, run_in_process
from trainers.settings import TrainSettings


class Task(NamedTuple):
    """One request as a job needs it. `shadow` are a review's entrants with their artefacts."""

    request: Retrain
    cutoff_ts: int
    champion: Artifact | None = None
    challengers_before: int = 0
    shadow: Sequence[tuple[Entrant, Artifact]] = ()


class TrainingJobs:
    """Holds what does not change between jobs. `names` are the served vectors' by strategy."""

    def __init__(
        self,
        strategies: Mapping[str, StrategySettings],
        names: Mapping[str, tuple[str, ...]],
        *,
        context: ContextSettings,
        settings: TrainSettings,
        database_path: str | Path,
        folder: Path,
        signer: SigningKey,
        trusted_keys: tuple[str, ...],
        command: Sequence[str],
    ) -> None:
        self._strategies = strategies
        self._names = names
        self._context = context
        self._settings = settings
        self._database_path = database_path
        self._folder = folder
        self._signer = signer
        self._trusted_keys = trusted_keys
        self._command = command

    async def run(self, task: Task) -> tuple[JobResult, Artifact | None]:
        """Return what a job came to, and its model, if it made one; raises ModelError."""
        folder = fresh_folder(self._folder, task.request.request_id)
        try:
            _write_bundles(folder, task)
            write_request(folder, self._job(task))
            result = await run_in_process(folder, command=self._command)
            return result, self._sealed(folder, task.request) if result.learner else None
        finally:
            drop_folder(folder)

    def _job(self, task: Task) -> JobRequest:
        strategy = self._strategies[task.request.strategy]
        ml = strategy.ml
        return JobRequest(
            database=absolute(self._database_path),
            names=self._names[task.request.strategy],
            retrain=task.request,
            cutoff_ts=task.cutoff_ts,
            settings=self._settings,
            threshold=ml.confidence_threshold if ml.prediction_mode == "filter" else None,
            has_champion=task.champion is not None,
            trusted_keys=self._trusted_keys,
            params_digest=params_digest_of(strategy, self._context),
            challengers_before=task.challengers_before,
            entrants=tuple(entrant for entrant, _ in task.shadow),
        )

    def _sealed(self, folder: Path, request: Retrain) -> Artifact:
        """Sign what the job made, and hold it to what the scorer will hold it to."""
        card = (folder / CARD_FILE).read_bytes()
        artifact = Artifact(card, (folder / ONNX_FILE).read_bytes(), self._signer.sign(card))
        load_model(artifact, self._names[request.strategy], (self._signer.public_hex,))
        return artifact


def _write_bundles(folder: Path, task: Task) -> None:
    bundles: Iterable[tuple[str, Artifact]] = (
        (shadow_file(entrant.digest), artifact) for entrant, artifact in task.shadow
    )
    if task.champion is not None:
        (folder / CHAMPION_FILE).write_bytes(task.champion.to_bundle())
    for name, artifact in bundles:
        (folder / name).write_bytes(artifact.to_bundle())
