"""What passes between the trainer role and a training job: files in one folder."""

from pathlib import Path
from typing import Literal

import msgspec

from streams.errors import ModelError
from streams.events import Retrain
from trainers.settings import TrainSettings

REQUEST_FILE = "request.json"
RESULT_FILE = "result.json"
CARD_FILE = "card.json"
ONNX_FILE = "model.onnx"
CHAMPION_FILE = "champion.bundle"
LOG_FILE = "job.log"

Figure = float | str
Role = Literal["in_force", "previous", "retired", "canary", "challenger"]
Word = Literal["passed", "failed", "unproven", "waiting"]
IN_FORCE: Role = "in_force"
PREVIOUS: Role = "previous"
RETIRED: Role = "retired"
CANARY: Role = "canary"
CHALLENGER: Role = "challenger"


class Entrant(msgspec.Struct, frozen=True):
    """A model in the shadow; its bundle lies beside the request as `shadow_file`.

    It is judged on signals from `opens_ts` on, and was `looks` times before, at last on
    `outcomes` of them.
    """

    version: str
    digest: str
    role: Role
    opens_ts: int = 0
    looks: int = 0
    outcomes: int = 0


class Judged(msgspec.Struct, frozen=True):
    """What a review finds of an entrant: it passed, failed, is unproven, or waits for outcomes."""

    entrant: Entrant
    word: Word
    reason: str
    figures: dict[str, float] = {}

    @property
    def is_look(self) -> bool:
        """Whether its outcomes were looked at."""
        return self.word != "waiting"

    @property
    def is_ended(self) -> bool:
        """Whether it is a canary that answers no more."""
        return self.word == "failed" and self.entrant.role == CANARY


class JobRequest(msgspec.Struct, frozen=True):
    """One training run. `names` are the served vector's; `cutoff_ts` ends what may be known.

    `threshold` is the probability from which the strategy accepts, None where it accepts all.
    A champion lies beside the request as CHAMPION_FILE, signed by one of `trusted_keys`.
    `database` is a path, or a URL with its password: the file is its owner's alone.
    `params_digest` names the parameters whose samples go before those of others.
    `challengers_before` were judged beside the champion; `entrants` are those of a review.
    """

    database: str
    names: tuple[str, ...]
    retrain: Retrain
    cutoff_ts: int
    settings: TrainSettings
    threshold: float | None
    has_champion: bool
    trusted_keys: tuple[str, ...]
    params_digest: str = ""
    challengers_before: int = 0
    entrants: tuple[Entrant, ...] = ()


class JobResult(msgspec.Struct, frozen=True):
    """What became of it. With `learner`, CARD_FILE and ONNX_FILE lie beside the result.

    `judged` is what a review found, in the order of its entrants.
    """

    promoted: bool
    reason: str
    figures: dict[str, float]
    learner: str = ""
    champion_refused: str = ""
    judged: tuple[Judged, ...] = ()


def shadow_file(digest: str) -> str:
    """Return the name of the file that holds an entrant's bundle."""
    return f"shadow-{digest}.bundle"


def write_request(folder: Path, request: JobRequest) -> None:
    """Write a request into `folder`."""
    (folder / REQUEST_FILE).write_bytes(msgspec.json.encode(request))


def read_request(folder: Path) -> JobRequest:
    """Return the request in `folder`."""
    return msgspec.json.decode((folder / REQUEST_FILE).read_bytes(), type=JobRequest)


def write_result(folder: Path, result: JobResult) -> None:
    """Write the result last and whole: where it stands, the job is done."""
    partial = folder / f"{RESULT_FILE}.partial"
    partial.write_bytes(msgspec.json.encode(result))
    partial.replace(folder / RESULT_FILE)


def read_result(folder: Path) -> JobResult:
    """Return the result in `folder`; raises ModelError where there is none to be read."""
    try:
        return msgspec.json.decode((folder / RESULT_FILE).read_bytes(), type=JobResult)
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(f"the training job left no result: {error}") from error
