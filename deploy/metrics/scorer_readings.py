"""What is to be told of a scorer: read of its state at a scrape, counted by nobody."""

from engine.scorer import Scorer
from engine.shells.reading import Reading, gauge, info

SCOPES_TOLD_MAX = 200
_NS = 1e9


def scorer_readings(core: Scorer) -> list[Reading]:
    """Return which models are in force, those of whole strategies first, and who waits."""
    found = [gauge("waiting_signals", "Signals whose bar has not come.", len(core.waiting()))]
    standing = sorted(core.in_force(), key=lambda one: one.deployment.symbol is not None)
    for one in standing[:SCOPES_TOLD_MAX]:
        made = one.deployment
        scope = {"strategy": made.strategy, "symbol": made.symbol or ""}
        meaning = "A model in force, or the canary beside it; no version is the null model."
        place = "canary" if made.share < 1.0 else "in_force"
        found.append(info("model", meaning, **scope, place=place, version=one.version))
        meaning = "Share of the signals that a model may answer; a canary is asked first."
        found.append(gauge("model_share", meaning, made.share, **scope, version=one.version))
        if one.effective_ts > 0:
            meaning = "Event time from which a model is in force."
            since = one.effective_ts / _NS
            name = "model_effective_time_seconds"
            found.append(gauge(name, meaning, since, **scope, version=one.version))
    return found
