"""Who is judged in a review: the champions of before, the canary, and the newest challengers.

Behind a confirmed drift of the model in force the champions of before are judged on the signals
since the changepoint: the market may have gone back to what they know. And where the trainer made
the strategy stand aside, the model in force is itself looked at again.
"""

from models.registry import Placing
from trainers.incumbent import Incumbent
from trainers.job_files import (
    CANARY,
    CHALLENGER,
    IN_FORCE,
    PREVIOUS,
    RETIRED,
    Entrant,
    Role,
)
from trainers.settings import TrainSettings
from trainers.shadows import ScopeRecord


def entrants_of(
    incumbent: Incumbent,
    record: ScopeRecord,
    settings: TrainSettings,
    *,
    stands_aside: bool = False,
) -> tuple[Entrant, ...]:
    """Return them in that order; no challenger while a canary answers.

    `stands_aside`: the trainer has ordered that the model in force does not act.
    """
    found: dict[str, Entrant] = {}
    failed_since = record.failed_since(incumbent.digest)

    def add(role: Role, version: str, digest: str, opens_ts: int = 0) -> None:
        is_own = digest == incumbent.digest and role != IN_FORCE
        if digest and not is_own and digest not in found:
            look = record.look_at(digest, incumbent.digest)
            found[digest] = Entrant(version, digest, role, opens_ts, look.count, look.outcomes)

    previous, canary = _others(incumbent)
    opens_ts = max(incumbent.effective_ts, failed_since or 0)
    if failed_since is not None and stands_aside:
        add(IN_FORCE, incumbent.version or "", incumbent.digest, opens_ts)
    if previous is not None:
        add(PREVIOUS, previous.version, previous.digest, opens_ts)
    for retired in record.retired if failed_since is not None else ():
        add(RETIRED, retired.version, retired.digest, opens_ts)
    if canary is not None:
        add(CANARY, canary.version, canary.digest, canary.effective_ts)
    else:
        for shadow in record.shadows[: settings.shadows]:
            add(CHALLENGER, shadow.version, shadow.digest)
    return tuple(found.values())


def _others(incumbent: Incumbent) -> tuple[Placing | None, Placing | None]:
    own = incumbent.own
    return (None, None) if own is None else (own.previous, own.canary)
