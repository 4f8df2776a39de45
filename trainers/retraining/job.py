"""A training job: one process, one request, files in and files out.

    python -m trainers.retraining.job FOLDER

Whoever starts it nices it, so that a retrain never slows the scorer down. Exit code 0: a result
was written, whatever it says; anything else: the job failed and may be tried again.
"""

import sys
from importlib.metadata import version
from pathlib import Path

from models.artifact import Artifact
from models.onnx_session import load_model
from streams.errors import AssayError, ModelError, ModelRefused
from trainers.database.feature_database import FeatureDatabase
from trainers.dataset import Dataset
from trainers.recalibration import recalibrate
from trainers.retraining.champion import ServedChampion
from trainers.retraining.job_files import (
    CARD_FILE,
    CHAMPION_FILE,
    ONNX_FILE,
    JobRequest,
    JobResult,
    Judged,
    read_request,
    shadow_file,
    write_result,
)
from trainers.retraining.request import RECALIBRATE, REVIEW
from trainers.retraining.review import Standing, review
from trainers.training import Candidate, train_candidate

DISTRIBUTION = "assay-signals"
FAILED = "job_failed"
REASON_MAX = 200


def run_job(folder: Path) -> JobResult:
    """Do what the request in `folder` asks, write the result there, and return it."""
    request = read_request(folder)
    with FeatureDatabase(request.database) as database:
        samples = database.read(
            request.retrain.strategy,
            request.names,
            symbol=request.retrain.symbol,
            known_by_ts=request.cutoff_ts,
            preferred_digest=request.params_digest,
        )
    if request.retrain.action == REVIEW:
        result = _reviewed(folder, request, samples)
    else:
        result = _made(folder, request, samples)
    write_result(folder, result)
    return result


def _made(folder: Path, request: JobRequest, samples: Dataset) -> JobResult:
    """Make a model, judge it, and leave it beside the result."""
    champion, refused = _champion(folder, request)
    if request.retrain.action == RECALIBRATE:
        candidate = _recalibrated(folder, request, samples, champion, refused)
    else:
        candidate = train_candidate(
            samples,
            request.retrain,
            request.settings,
            champion=champion,
            threshold=request.threshold,
            code_version=version(DISTRIBUTION),
            challengers_before=request.challengers_before,
        )
    if candidate.card:
        (folder / CARD_FILE).write_bytes(candidate.card)
        (folder / ONNX_FILE).write_bytes(candidate.onnx)
    return JobResult(
        promoted=candidate.verdict.promoted,
        reason=candidate.verdict.reason,
        figures=candidate.verdict.figures,
        learner=candidate.learner if candidate.card else "",
        champion_refused=refused,
    )


def _recalibrated(
    folder: Path,
    request: JobRequest,
    samples: Dataset,
    champion: ServedChampion | None,
    refused: str,
) -> Candidate:
    if champion is None:
        raise ModelError(f"there is no model to recalibrate: {refused or 'none is in force'}")
    return recalibrate(
        Artifact.from_bundle((folder / CHAMPION_FILE).read_bytes()),
        champion,
        samples,
        request.retrain,
        request.settings,
        threshold=request.threshold,
        code_version=version(DISTRIBUTION),
        challengers_before=request.challengers_before,
    )


def _reviewed(folder: Path, request: JobRequest, samples: Dataset) -> JobResult:
    champion, refused = _champion(folder, request)
    shadow: list[Standing] = []
    silent: list[Judged] = []
    for entrant in request.entrants:
        try:
            model = _served(folder / shadow_file(entrant.digest), request)
        except ModelRefused as error:
            silent.append(Judged(entrant, "waiting", f"refused: {error}"[:REASON_MAX]))
        else:
            shadow.append(Standing(entrant, model))
    judged = review(
        samples,
        shadow,
        champion,
        request.settings,
        threshold=request.threshold,
        challengers_before=request.challengers_before,
    )
    return JobResult(False, "", {}, champion_refused=refused, judged=(*judged, *silent))


def _champion(folder: Path, request: JobRequest) -> tuple[ServedChampion | None, str]:
    """Return the champion, or why it may not speak: then it is no champion to the scorer either."""
    if not request.has_champion:
        return None, ""
    try:
        return _served(folder / CHAMPION_FILE, request), ""
    except ModelRefused as refused:
        return None, str(refused)


def _served(bundle: Path, request: JobRequest) -> ServedChampion:
    artifact = Artifact.from_bundle(bundle.read_bytes())
    return ServedChampion(load_model(artifact, request.names, request.trusted_keys))


def main(arguments: list[str]) -> int:
    """Run the job in the folder that `arguments` name; return the exit code."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m trainers.retraining.job FOLDER\n")
        return 2
    folder = Path(arguments[0])
    try:
        run_job(folder)
    except AssayError as error:
        # A second attempt would meet the same samples: this is an answer, not an accident.
        write_result(folder, JobResult(False, f"{FAILED}: {error}", {}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
