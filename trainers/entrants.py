"""Who is judged in a review: the previous champion, the canary, and the newest challengers."""

from models.registry import Placing
from trainers.incumbent import Incumbent
from trainers.job_files import CANARY, CHALLENGER, PREVIOUS, Entrant, Role
from trainers.settings import TrainSettings
from trainers.shadows import ScopeRecord


def entrants_of(
    incumbent: Incumbent, record: ScopeRecord, settings: TrainSettings
) -> tuple[Entrant, ...]:
    """Return them in that order; no challenger while a canary answers."""
    found: dict[str, Entrant] = {}

    def add(role: Role, version: str, digest: str, opens_ts: int = 0) -> None:
        if digest not in {"", incumbent.digest, *found}:
            look = record.look_at(digest, incumbent.digest)
            found[digest] = Entrant(version, digest, role, opens_ts, look.count, look.outcomes)

    previous, canary = _others(incumbent)
    if previous is not None:
        add(PREVIOUS, previous.version, previous.digest, incumbent.effective_ts)
    if canary is not None:
        add(CANARY, canary.version, canary.digest, canary.effective_ts)
    else:
        for shadow in record.shadows[: settings.shadows]:
            add(CHALLENGER, shadow.version, shadow.digest)
    return tuple(found.values())


def _others(incumbent: Incumbent) -> tuple[Placing | None, Placing | None]:
    own = incumbent.own
    return (None, None) if own is None else (own.previous, own.canary)
