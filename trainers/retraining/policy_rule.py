"""When the trainer reaches for the kill switch, and when it lets go.

After a confirmed drift of the model in force without a better one, and where a first model does
not beat the null model, signals go through unfiltered: `observe`. The trading engine sees what
`pass_through` would give it (everything accepted, the score untouched), but the model in force
keeps scoring in the shadow, so the drift monitor still has outcomes to ask for the next attempt
with. A later promotion resumes. A refresh or a review that finds nothing better changes nothing:
what it stands behind was ordered when the drift was found. Nor does a first model that the monitor
asked for in vain: signals go on as the configuration has them go without a model, which may be
not at all. A recalibration says nothing of whether
the ranking is worth following, and a canary is no answer yet. What an operator ordered is never
touched, and a model of one symbol has no say: a policy counts for all symbols of its strategy.
"""

from engine.drift.relearning import NO_MODEL
from engine.policies import RESUME, TRAINER
from streams.events import Policy, Retrain
from trainers.retraining.request import (
    RECALIBRATE,
    REFRESH,
    RETRAIN,
    is_alarm_about,
)

STAND_ASIDE = "observe"


def policy_after(
    *, is_promoted: bool, is_without_a_model: bool, standing: Policy | None
) -> str | None:
    """Return the action to order after a verdict, or None to leave things as they stand.

    `is_promoted`: a model comes into force for all signals. `is_without_a_model`: see below.
    `standing` is the newest policy of the strategy, None when there never was one.
    """
    in_force = standing if standing is not None and standing.action != RESUME else None
    if in_force is not None and in_force.by != TRAINER:
        return None
    if is_promoted:
        return RESUME if in_force is not None else None
    return STAND_ASIDE if is_without_a_model and in_force is None else None


def aside_since(standing: Policy | None) -> int | None:
    """Return from when on the trainer has the model in force not act, None where it may."""
    is_aside = standing is not None and standing.by == TRAINER and standing.action == STAND_ASIDE
    return standing.effective_ts if standing is not None and is_aside else None


def has_a_say(request: Retrain) -> bool:
    """Whether what becomes of a request may change a policy."""
    return request.symbol is None and request.action != RECALIBRATE


def leaves_no_model(request: Retrain, champion: str | None) -> bool:
    """Whether a refused challenger leaves nothing that may filter.

    That is so where there is no champion, and where a drift detector has just found it dying.
    """
    if request.action != RETRAIN or request.reason.startswith((REFRESH, NO_MODEL)):
        return False
    return champion is None or is_alarm_about(request, champion)
