"""When the trainer reaches for the kill switch, and when it lets go.

After a confirmed drift without a better model, and where a first model does not beat the null
model, signals go through unfiltered: `observe`. The trading engine sees what `pass_through`
would give it (everything accepted, the score untouched), but the model in force keeps scoring in
the shadow, so the drift monitor still has outcomes to ask for the next attempt with. A later
promotion resumes. What an operator ordered is never touched, and a model of one symbol has no say:
a policy counts for all symbols of its strategy.
"""

from engine.policies import RESUME, TRAINER
from streams.events import Policy

STAND_ASIDE = "observe"


def policy_after(
    *, is_promoted: bool, is_after_drift: bool, has_champion: bool, standing: Policy | None
) -> str | None:
    """Return the action to order after a verdict, or None to leave things as they stand.

    `standing` is the newest policy of the strategy, None when there never was one.
    """
    in_force = standing if standing is not None and standing.action != RESUME else None
    if in_force is not None and in_force.by != TRAINER:
        return None
    if is_promoted:
        return RESUME if in_force is not None else None
    if has_champion and not is_after_drift:
        return None
    return STAND_ASIDE if in_force is None else None
