"""The drift monitor: says when a model has stopped knowing, and asks for a new one.

A pure state machine over OUTCOMES. Only virtual outcomes that a model spoke on are judged, each
by the watch of the model that predicted it. They are judged behind the labeller's watermark, in
the order of their exits: the answers do not depend on the order of arrival.

When another model scores a symbol, the old one's watch ends: later-arriving outcomes of signals
from before are left out, `recovered` is said if drift had been detected, and a return of the
old model is watched anew.
"""

import hashlib
from typing import Any

from engine.answer import Answer
from engine.detector import parse_detector
from engine.matured_outcomes import MaturedOutcomes
from engine.model_watch import Finding, ModelWatch
from engine.settings import DriftSettings
from streams import subjects
from streams.events import Drift, Event, Outcome, Progress, Retrain
from streams.interval import DAY_NS
from streams.watermark import Watermark

LABELLER = "labeller"
REQUESTED_BY = "drift"
WATCHES_MAX = 1_000
LANES_MAX = 100_000
ID_CHARACTERS = 16


class DriftMonitor:
    """Watches every model of every strategy by the detectors of `settings`.

    Raises ConfigError for an unknown detector.
    """

    def __init__(self, settings: DriftSettings) -> None:
        for name in settings.detectors:
            parse_detector(name)
        self._settings = settings
        self._matured = MaturedOutcomes(int(settings.maturity_days * DAY_NS))
        self._labellers = Watermark()
        self._watches: dict[tuple[str, str], ModelWatch] = {}
        # The newest signal judged of a (strategy, symbol), and its model.
        self._lanes: dict[tuple[str, str], tuple[int, str]] = {}

    @property
    def progress_ts(self) -> int:
        """The event time up to which everything has been judged."""
        return self._labellers.event_ts

    def step(self, event: Event) -> list[Answer]:
        """Take an outcome or a labeller's progress; return drift events and retrain requests."""
        if isinstance(event, Outcome):
            if not event.virtual or event.model is None or not _is_probability(event.probability):
                return []
            return self._judged(self._matured.add(event))
        if isinstance(event, Progress) and event.role == LABELLER:
            self._labellers.note(event)
            return self._judged(self._matured.release(self.progress_ts))
        return []

    def _judged(self, outcomes: list[tuple[int, Outcome]]) -> list[Answer]:
        return [answer for at, outcome in outcomes for answer in self._judge(at, outcome)]

    def _judge(self, at: int, outcome: Outcome) -> list[Answer]:
        model, probability = outcome.model, outcome.probability
        if model is None or probability is None:
            return []
        lane = (outcome.strategy, outcome.symbol)
        newest_ts, current = self._lanes.pop(lane, (outcome.ts, model))
        is_stale = current != model and outcome.ts <= newest_ts
        kept = (newest_ts, current) if is_stale else (max(newest_ts, outcome.ts), model)
        self._lanes[lane] = kept
        _drop_oldest(self._lanes, LANES_MAX)
        if is_stale:
            return []
        answers = [] if current == model else self._replace(current, at, outcome)
        watch = self._watch(outcome.strategy, model)
        if outcome.ts < watch.from_ts:
            return answers
        for finding in watch.judge(outcome, probability):
            answers += self._said(finding, at, outcome, watch.outcomes_seen)
        return answers

    def _watch(self, strategy: str, model: str) -> ModelWatch:
        key = (strategy, model)
        watch = self._watches.pop(key, None) or ModelWatch(self._settings, from_ts=0)
        self._watches[key] = watch
        _drop_oldest(self._watches, WATCHES_MAX)
        return watch

    def _replace(self, old: str, at: int, outcome: Outcome) -> list[Answer]:
        """End the watch over `old`: the model of `outcome` has taken its place."""
        key = (outcome.strategy, old)
        watch = self._watches.get(key)
        if watch is None:
            return []
        self._watches[key] = ModelWatch(self._settings, from_ts=outcome.ts)
        if not watch.detected_by:
            return []
        module = parse_detector(watch.detected_by).module
        finding = Finding(
            "recovered", watch.detected_by, module.CHANNEL, 0.0, 0.0, 0.0, outcome.ts, False
        )
        return self._said(finding, at, outcome, watch.outcomes_seen)

    def _said(self, finding: Finding, at: int, outcome: Outcome, seen: int) -> list[Answer]:
        strategy, model = outcome.strategy, str(outcome.model)
        answers = []
        if finding.level:
            drift = Drift(
                strategy=strategy,
                symbol=None,
                level=finding.level,
                channel=finding.channel,
                detector=finding.detector,
                statistic=finding.statistic,
                threshold=finding.threshold,
                outcomes_seen=seen,
                changepoint_ts=finding.changepoint_ts,
                false_alarm_budget=finding.budget,
                model=model,
                ts=at,
            )
            name = _digest("drift", strategy, model, finding.detector, finding.level, str(seen))
            answers.append(Answer(subjects.drift(strategy), drift, identity=f"drift:{name}"))
        if finding.is_request:
            reason = f"drift:{finding.detector}"
            request_id = _digest(strategy, model, str(at), reason)
            request = Retrain(
                request_id, strategy, None, reason, finding.changepoint_ts, REQUESTED_BY, at
            )
            answers.append(Answer(subjects.retrain(strategy), request, identity=request_id))
        return answers


def _is_probability(value: float | None) -> bool:
    # A NaN would stay in a detector's sums for good.
    return value is not None and 0.0 <= value <= 1.0


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:ID_CHARACTERS]


def _drop_oldest(mapping: dict[tuple[str, str], Any], at_most: int) -> None:
    """Forget what was used longest ago; a key is moved to the end when it is used."""
    while len(mapping) > at_most:
        del mapping[next(iter(mapping))]
