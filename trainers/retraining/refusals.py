"""Why a request is refused without a look at a sample; every refusal is recorded and told.

pinned         a person holds the model in force
superseded     it is about a model that is not in force any more, or there is a first one by now
no_champion    there is no model that could be recalibrated
coalesced      the same was asked for a time as late or later, and is answered or waits
cooldown       the scope was answered a short while of event time ago
ahead          its times lie more than AHEAD_DAYS_MAX behind all that is known: a wrong clock
gave_up        it was taken again and again, and whoever took it died

What waits in the queue depends on how fast a trainer is, and decisions must not: a request gives
way to a newer one only where its own model would come into force after that was asked for. A
replay is held so that this never happens; live it does when the trainer cannot keep up.
"""

from collections.abc import Iterable

from engine.drift.relearning import NO_MODEL
from streams.events import Retrain
from trainers.dataset import DAY_NS
from trainers.retraining.incumbent import Incumbent
from trainers.retraining.request import (
    CALIBRATION_ALARM,
    DRIFT_ALARM,
    RECALIBRATE,
    RETRAIN,
    REVIEW,
    is_persons,
)
from trainers.retraining.shadows import ScopeRecord
from trainers.settings import TrainSettings

PINNED = "pinned"
SUPERSEDED = "superseded"
NO_CHAMPION = "no_champion"
COALESCED = "coalesced"
COOLDOWN = "cooldown"
GAVE_UP = "gave_up"
AHEAD = "ahead"
AHEAD_DAYS_MAX = 31.0
"""A clock on the wall may run before the market's by a closed month; further is a mistake."""

ASKS_FOR_NOTHING = (PINNED, SUPERSEDED, COALESCED, NO_CHAMPION, AHEAD)
"""Refusals that leave the policy as it is, whatever the request was about."""


def refusal_of(
    request: Retrain,
    cutoff_ts: int,
    incumbent: Incumbent,
    record: ScopeRecord,
    waiting: Iterable[Retrain],
    settings: TrainSettings,
) -> str:
    """Return why a request is refused, or "".

    `record` is the scope's, `waiting` are the requests behind this one in the queue.
    """
    if incumbent.is_pinned:
        return PINNED
    if _is_superseded(request, cutoff_ts, incumbent):
        return SUPERSEDED
    if request.action == RECALIBRATE and incumbent.artifact is None:
        return NO_CHAMPION
    if is_persons(request):
        return ""
    if _is_answered(request, cutoff_ts, record) or _gives_way(request, waiting, settings):
        return COALESCED
    return COOLDOWN if _is_cooling(request, cutoff_ts, record, settings) else ""


def is_ahead(request: Retrain, known_ts: int) -> bool:
    """Whether a request's times lie far behind the newest event time that is known.

    Answered, it would stand for all that is asked until then; waiting, it would have them give way.
    """
    newest_ts = max(request.ts, request.since_ts)
    return newest_ts > known_ts + int(AHEAD_DAYS_MAX * DAY_NS)


def _is_superseded(request: Retrain, cutoff_ts: int, incumbent: Incumbent) -> bool:
    """Whether an alarm is about a predecessor, watched until the new model took over."""
    if request.reason == NO_MODEL:
        return incumbent.artifact is not None
    if not request.reason.startswith((DRIFT_ALARM, CALIBRATION_ALARM)):
        return False
    return cutoff_ts < incumbent.effective_ts or request.model not in {"", incumbent.version}


def _is_answered(request: Retrain, cutoff_ts: int, record: ScopeRecord) -> bool:
    # An alarm says more than a request for the same: only another alarm stands for it.
    alarm = DRIFT_ALARM if request.reason.startswith(DRIFT_ALARM) else ""
    newest = record.newest_ts(request.action, reason=alarm)
    return newest is not None and newest >= cutoff_ts


def _gives_way(request: Retrain, waiting: Iterable[Retrain], settings: TrainSettings) -> bool:
    delay_ns = int(settings.delay_days * DAY_NS)
    alarm = DRIFT_ALARM if request.reason.startswith(DRIFT_ALARM) else ""
    return any(
        newer.ts > request.ts + delay_ns
        and (newer.action, newer.model) == (request.action, request.model)
        and (newer.symbol or None) == request.symbol
        and newer.reason.startswith(alarm)
        for newer in waiting
    )


def _is_cooling(
    request: Retrain, cutoff_ts: int, record: ScopeRecord, settings: TrainSettings
) -> bool:
    # A review costs little and changes nothing by itself; a retrain answers more than a new line.
    if request.action == REVIEW:
        return False
    actions = (RETRAIN,) if request.action == RETRAIN else (RETRAIN, RECALIBRATE)
    newest = record.newest_ts(*actions)
    return newest is not None and cutoff_ts < newest + int(settings.cooldown_days * DAY_NS)
