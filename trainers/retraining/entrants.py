"""Who is judged in a review: the champions of before, the canary, and the newest challengers.

Behind a confirmed drift of the model in force the champions of before are judged on the signals
since the changepoint: the market may have gone back to what they know. And where the trainer made
the strategy stand aside, the model in force is itself looked at again. The null model, which only
a person puts in force, gives way to no model of before: those the person has seen.
"""

from collections.abc import Collection

from models.registry import Placing
from trainers.retraining.incumbent import Incumbent
from trainers.retraining.job_files import (
    CANARY,
    CHALLENGER,
    IN_FORCE,
    PREVIOUS,
    RETIRED,
    Entrant,
    Role,
)
from trainers.retraining.shadows import ScopeRecord
from trainers.settings import TrainSettings


def entrants_of(
    incumbent: Incumbent,
    record: ScopeRecord,
    settings: TrainSettings,
    *,
    aside_ts: int | None = None,
    forebears: Collection[str] = (),
) -> tuple[Entrant, ...]:
    """Return them in that order; no challenger while a canary answers.

    `aside_ts`: from when on the trainer has ordered that the model in force does not act, None
    where it has not. `forebears` are the digests of those that this model was recalibrated from:
    they rank as it does, and are no others.
    """
    found: dict[str, Entrant] = {}
    failed_since = record.failed_since(incumbent.digest)

    def add(role: Role, version: str, digest: str, opens_ts: int = 0) -> None:
        is_own = digest == incumbent.digest and role != IN_FORCE
        if digest and not is_own and digest not in found and digest not in forebears:
            look = record.look_at(digest, incumbent.digest)
            found[digest] = Entrant(version, digest, role, opens_ts, look.count, look.outcomes)

    previous, canary = _others(incumbent, forebears)
    opens_ts = max(incumbent.effective_ts, failed_since or 0)
    if previous is not None:
        add(PREVIOUS, previous.version, previous.digest, opens_ts)
    for retired in record.retired if failed_since is not None else ():
        add(RETIRED, retired.version, retired.digest, opens_ts)
    if aside_ts is not None:
        # An alarm that could not be answered is in no record: what came before it says nothing.
        aside_from_ts = opens_ts if failed_since is not None else max(opens_ts, aside_ts)
        add(IN_FORCE, incumbent.version or "", incumbent.digest, aside_from_ts)
    if canary is not None:
        add(CANARY, canary.version, canary.digest, canary.effective_ts)
    else:
        for shadow in record.shadows[: settings.shadows]:
            add(CHALLENGER, shadow.version, shadow.digest)
    return tuple(found.values())


def _others(
    incumbent: Incumbent, forebears: Collection[str]
) -> tuple[Placing | None, Placing | None]:
    own = incumbent.own
    if own is None or not own.current.digest:
        return None, None
    return own.before(own.current.digest, *forebears), own.canary
