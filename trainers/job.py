"""A training job: one process, one request, files in and files out.

    python -m trainers.job FOLDER

It is niced, so that a retrain never slows the scorer down. Exit code 0: a result was written,
whatever it says; anything else: the job failed and may be tried again.
"""

import os
import sys
from importlib.metadata import version
from pathlib import Path

from models.artifact import Artifact
from models.onnx_session import load_model
from streams.errors import AssayError, ModelRefused
from trainers.champion import ServedChampion
from trainers.database.feature_database import FeatureDatabase
from trainers.job_files import (
    CARD_FILE,
    CHAMPION_FILE,
    ONNX_FILE,
    JobRequest,
    JobResult,
    read_request,
    write_result,
)
from trainers.training import train_candidate

NICENESS = 10
DISTRIBUTION = "assay-signals"
FAILED = "job_failed"


def run_job(folder: Path) -> JobResult:
    """Do what the request in `folder` asks, write the result there, and return it."""
    request = read_request(folder)
    champion, refused = _champion(folder, request)
    with FeatureDatabase(request.database) as database:
        samples = database.read(
            request.retrain.strategy,
            request.names,
            symbol=request.retrain.symbol,
            known_by_ts=request.cutoff_ts,
            preferred_digest=request.params_digest,
        )
    candidate = train_candidate(
        samples,
        request.retrain,
        request.settings,
        champion=champion,
        threshold=request.threshold,
        code_version=version(DISTRIBUTION),
    )
    if candidate.card:
        (folder / CARD_FILE).write_bytes(candidate.card)
        (folder / ONNX_FILE).write_bytes(candidate.onnx)
    result = JobResult(
        promoted=candidate.verdict.promoted,
        reason=candidate.verdict.reason,
        figures=candidate.verdict.figures,
        learner=candidate.learner if candidate.card else "",
        champion_refused=refused,
    )
    write_result(folder, result)
    return result


def _champion(folder: Path, request: JobRequest) -> tuple[ServedChampion | None, str]:
    """Return the champion, or why it may not speak: then it is no champion to the scorer either."""
    if not request.has_champion:
        return None, ""
    try:
        artifact = Artifact.from_bundle((folder / CHAMPION_FILE).read_bytes())
        return ServedChampion(load_model(artifact, request.names, request.trusted_keys)), ""
    except ModelRefused as refused:
        return None, str(refused)


def main(arguments: list[str]) -> int:
    """Run the job in the folder that `arguments` name; return the exit code."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m trainers.job FOLDER\n")
        return 2
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    folder = Path(arguments[0])
    try:
        run_job(folder)
    except AssayError as error:
        # A second attempt would meet the same samples: this is an answer, not an accident.
        write_result(folder, JobResult(False, f"{FAILED}: {error}", {}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
