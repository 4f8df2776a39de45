"""What the drift monitor says, as answers: their subjects and their ids.

An id is a digest of what is said and when, not of where it stands in a stream: the same outcomes
and answers give the same ids in whatever order they arrived.
"""

import hashlib

from engine.answer import Answer
from engine.drift.model_watch import Finding
from engine.drift.relearning import Wanted
from streams import subjects
from streams.events import Drift, Outcome, Retrain

REQUESTED_BY = "drift"
ID_CHARACTERS = 16
CANARY_DETAIL = "of a canary, which answers a share of the signals"


def word_on(finding: Finding, at: int, outcome: Outcome, seen: int, budget: float) -> Answer:
    """Return a detector's word on the model of `outcome`, after `seen` outcomes of it."""
    return drift_answer(
        Drift(
            strategy=outcome.strategy,
            symbol=None,
            level=finding.level,
            channel=finding.channel,
            detector=finding.detector,
            statistic=finding.statistic,
            threshold=finding.threshold,
            outcomes_seen=seen,
            changepoint_ts=finding.changepoint_ts,
            false_alarm_budget=budget,
            model=outcome.model,
            ts=at,
            detail=CANARY_DETAIL if outcome.canary else "",
        )
    )


def drift_answer(drift: Drift) -> Answer:
    """Return the answer that says `drift`."""
    parts = (drift.strategy, str(drift.model), drift.channel, drift.detector, drift.level)
    name = _digest("drift", *parts, str(drift.outcomes_seen), str(drift.ts))
    return Answer(subjects.drift(drift.strategy), drift, identity=f"drift:{name}")


def request_answer(wanted: Wanted, strategy: str, at: int) -> Answer:
    """Return the answer that asks for `wanted`."""
    request_id = _digest(strategy, wanted.model, str(at), wanted.action, wanted.reason)
    request = Retrain(
        request_id,
        strategy,
        None,
        wanted.reason,
        wanted.since_ts,
        REQUESTED_BY,
        at,
        wanted.action,
        wanted.model,
    )
    return Answer(subjects.retrain(strategy), request, identity=request_id)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:ID_CHARACTERS]
