"""The watch over one model: its reference, its detectors, and what they have said already.

The first `reference_outcomes` outcomes show where the model's probabilities lie; from then on
every detector sees every outcome. Each says `warning` once until its suspicion has passed, and
`detected` once for the life of the watch. A retrain is asked for at an alarm of the ranking
channel, and again at a later alarm once `cooldown_outcomes` have been judged since.
"""

from collections import deque
from typing import NamedTuple

from engine.detector import Detector, Named, Reference, parse_detector
from engine.outcome_stream import OutcomeStream, make_stream
from engine.settings import DriftSettings
from streams.events import Outcome

OUTCOME_TIMES_MAX = 20_000
RANKING = "ranking"


class Finding(NamedTuple):
    """What a detector says; `is_request` when a retrain is asked for (`level` may be empty)."""

    level: str
    detector: str
    channel: str
    statistic: float
    threshold: float
    budget: float
    changepoint_ts: int
    is_request: bool


class ModelWatch:
    """Judges the outcomes of one model of one strategy, from the signals of `from_ts` on.

    Memory is bounded: a reference, the detectors' states, and OUTCOME_TIMES_MAX signal times.
    """

    def __init__(self, settings: DriftSettings, from_ts: int) -> None:
        self.from_ts = from_ts
        self.outcomes_seen = 0
        self.detected_by = ""
        self._settings = settings
        self._reference: list[float] = []
        self._detectors: dict[str, Detector] = {}
        self._streams: dict[str, OutcomeStream] = {}
        self._named = {text: parse_detector(text) for text in settings.detectors}
        self._warned: set[str] = set()
        self._detected: set[str] = set()
        self._changepoint_ts = 0
        self._requested_at = 0
        self._signal_times: deque[int] = deque(maxlen=OUTCOME_TIMES_MAX)

    def judge(self, outcome: Outcome, probability: float) -> list[Finding]:
        """Take the next outcome, with the model's own probability for it."""
        self.outcomes_seen += 1
        self._signal_times.append(outcome.ts)
        if not self._detectors:
            self._reference.append(probability)
            if len(self._reference) >= self._settings.reference_outcomes:
                self._begin()
            return []
        findings = []
        for name, detector in self._detectors.items():
            detector.update(self._streams[name](probability, outcome.y_binary))
            findings += self._heard(name, detector)
        return findings

    def _begin(self) -> None:
        reference = Reference(self._reference)
        for text, named in self._named.items():
            self._streams[text] = make_stream(named.stream, reference)
            threshold = self._threshold(text, named)
            self._detectors[text] = named.module.make(threshold, reference, named.stream)
        self._reference = []

    def _threshold(self, text: str, named: Named) -> float:
        given = self._settings.thresholds.get(text, named.default_threshold)
        return self._settings.budget if given is None else given

    def _heard(self, name: str, detector: Detector) -> list[Finding]:
        channel = self._named[name].module.CHANNEL
        level = self._level(name, detector)
        is_request = detector.drift_detected and channel == RANKING and self._may_request()
        if not level and not is_request:
            return []
        changepoint_ts = self._time_back(detector.outcomes_since_change)
        if channel == RANKING and detector.drift_detected:
            # A re-alarm is still the first change: what was learned before it is stale.
            self._changepoint_ts = changepoint_ts = self._changepoint_ts or changepoint_ts
        if is_request:
            self._requested_at = self.outcomes_seen
        return [
            Finding(
                level,
                name,
                channel,
                detector.statistic,
                detector.threshold,
                detector.threshold if self._named[name].module.HAS_BUDGET else 0.0,
                changepoint_ts,
                is_request,
            )
        ]

    def _level(self, name: str, detector: Detector) -> str:
        """Return the level to announce now, or nothing where it has been announced."""
        if name in self._detected:
            return ""
        if detector.drift_detected:
            self._detected.add(name)
            self.detected_by = self.detected_by or name
            return "detected"
        if not detector.warning_detected:
            self._warned.discard(name)
        elif name not in self._warned:
            self._warned.add(name)
            return "warning"
        return ""

    def _may_request(self) -> bool:
        since = self.outcomes_seen - self._requested_at
        return not self._requested_at or since >= self._settings.cooldown_outcomes

    def _time_back(self, outcomes: int) -> int:
        """Return the signal time of the first of the last `outcomes` outcomes."""
        kept = len(self._signal_times)
        return self._signal_times[kept - min(max(outcomes, 1), kept)]
