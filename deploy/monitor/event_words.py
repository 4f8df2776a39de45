"""What happened to a strategy, as an operator reads it."""

from datetime import UTC, datetime

from deploy.monitor.picture import EventLine
from deploy.operations.model_words import share_of_signals
from deploy.report import in_words, short_version
from engine.policies import TRAINER
from streams.bus import Message
from streams.events import Audit, Deployment, Drift, Event, Policy, Retrain
from trainers.learner import NULL

KEPT = "models.kept."
SKEW = "skew"
ONLY_AUDITED = frozenset({"pin", "unpin", "retrain"})
"""What people do that is no event of its own."""

RELOCATED = ("rollback", "rolled_back")


def event_line(event: Event, message: Message) -> EventLine | None:
    """Return an event in words, or None where it is none for an operator."""
    match event:
        case Drift():
            return _line(event.ts, message, event.strategy, "drift", drift_words(event))
        case Retrain():
            text = f"{event.action} asked for by {event.requested_by}: {event.reason}"
            return _line(event.ts, message, event.strategy, "retrain", text)
        case Deployment():
            is_kept = message.subject.startswith(KEPT)
            kind = "kept" if is_kept else "deployed"
            text = deployment_words(event, is_kept=is_kept)
            return _line(event.effective_ts, message, event.strategy, kind, text)
        case Policy():
            why = _because(why_ordered(event.by, event.why))
            text = f"policy {event.action} by {event.by or 'nobody'}{why}"
            return _line(event.effective_ts, message, event.strategy, "policy", text)
        case Audit() if event.action in ONLY_AUDITED:
            model = f" {short_version(event.strategy, event.version)}" if event.version else ""
            text = f"{event.action}{model} by {event.by}{_because(event.why)}"
            return EventLine(0, event.ts or message.time_ns, event.strategy, "audit", text)
    return None


def drift_words(drift: Drift) -> str:
    """Say what a detector found."""
    if drift.channel == SKEW:
        return f"skew {drift.level} on {drift.symbol}: {drift.detail}"
    text = f"drift {drift.level} ({drift.channel}, {drift.detector})"
    if drift.level == "recovered":
        return text
    text += f": {number(drift.statistic)} of {number(drift.threshold)}"
    if drift.outcomes_seen:
        text += f" after {drift.outcomes_seen:,} outcomes"
    if drift.level == "detected" and drift.changepoint_ts > 0:
        text += f", since {day(drift.changepoint_ts)}"
    return f"{text}; {drift.detail}" if drift.detail else text


def deployment_words(made: Deployment, *, is_kept: bool) -> str:
    """Say what was decided on a model, and why."""
    model = short_version(made.strategy, made.version) if made.digest else "the null model"
    scope = f" for {made.symbol}" if made.symbol else ""
    reason = str(made.verdict.get("why", made.verdict.get("reason", "")))
    if is_kept:
        did = f"{model} not deployed{scope}" if made.digest else f"{_staying(made)}{scope}"
    elif made.share <= 0.0:
        did = f"canary {model} ended{scope}"
    elif made.share < 1.0:
        did = f"canary {model} answers {share_of_signals(made.share)} of the signals{scope}"
    elif reason in RELOCATED:
        did = f"rolled back to {model}{scope}"
    else:
        did = f"{model} in force{scope}"
    by = f" by {made.by}" if made.by else ""
    return f"{did}{by}{_because(made.why or in_words(reason))}"


def why_ordered(by: str, why: str) -> str:
    """Say why a policy was ordered; the trainer gives what it was asked and the gate's word.

    >>> why_ordered("trainer", "drift:slope: not_better_than_null")
    'drift:slope: not better than the null model'
    """
    if by != TRAINER:
        return why
    asked, colon, reason = why.rpartition(": ")
    return f"{asked}{colon}{in_words(reason)}"


def day(ts: int) -> str:
    """Return the day of a time, UTC; a dash before any."""
    return f"{datetime.fromtimestamp(ts / 1e9, UTC):%Y-%m-%d}" if ts > 0 else "-"


def number(value: float) -> str:
    """Write a number as short as it can be read.

    >>> number(37500.0), number(0.01234)
    ('37,500', '0.0123')
    """
    return f"{value:,.0f}" if abs(value) >= 100.0 else f"{value:.3g}"


def clock(ts: int) -> str:
    """Return month, day and time of a wall clock's time, UTC: no day of event time looks so."""
    return f"{datetime.fromtimestamp(ts / 1e9, UTC):%m-%d %H:%M}" if ts > 0 else "-"


def _staying(made: Deployment) -> str:
    """Say what stays where no model was made that could have been deployed."""
    if made.previous in (None, "", NULL):
        return "no model deployed"
    return f"{short_version(made.strategy, made.previous)} stays"


def _because(why: str) -> str:
    return f": {why}" if why else ""


def _line(ts: int, message: Message, strategy: str, kind: str, text: str) -> EventLine:
    return EventLine(ts, message.time_ns, strategy, kind, text)
