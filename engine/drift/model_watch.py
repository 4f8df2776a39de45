"""The watch over one model: its reference, its detectors, and what they have said already.

The first `reference_outcomes` outcomes show where the model's probabilities lie; from then on
every detector sees every outcome, or every cluster of concurrent ones. Each says `warning` once
until its suspicion has passed, and `detected` once; what it alarms again is told to the monitor,
and the change is dated anew: more is known of it then. One with a budget that has not been
suspicious for CALM_OUTCOMES since says `recovered`: of a false alarm, or of a bad time gone by.
"""

from typing import NamedTuple, cast

from engine.drift.changepoint import calibration_changepoint, ranking_changepoint
from engine.drift.detector import ClusteredDetector, Detector, Reference
from engine.drift.drift_budget import RANKING, Watcher
from engine.drift.outcome_cluster import OutcomeCluster
from engine.drift.outcome_stream import OutcomeStream
from engine.drift.outcome_window import OutcomeWindow
from engine.drift.watch_state import DetectorState
from engine.saved import Saved
from streams.events import Outcome

WARNING = "warning"
DETECTED = "detected"
RECOVERED = "recovered"
CALM_OUTCOMES = 1_000


class Finding(NamedTuple):
    """What a detector says; `level` is empty where it has been said, `is_alarm` at every alarm."""

    level: str
    detector: str
    channel: str
    statistic: float
    threshold: float
    changepoint_ts: int
    is_alarm: bool


class _Watching:
    """One detector at work on its stream."""

    def __init__(self, watcher: Watcher, reference: Reference) -> None:
        self.name = watcher.name
        self.channel = watcher.channel
        self.can_recover = watcher.has_budget
        self.detector: Detector
        self.stream: OutcomeStream
        self.detector, self.stream = watcher.begin(reference)
        self.cluster = OutcomeCluster() if watcher.is_clustered else None


class ModelWatch:
    """Judges the outcomes of one model of one strategy, from the signals of `from_ts` on.

    Memory is bounded: a reference, the detectors' states, a window of outcomes.
    """

    def __init__(
        self, watchers: tuple[Watcher, ...], reference_outcomes: int, from_ts: int = 0
    ) -> None:
        self.from_ts = from_ts
        self.outcomes_seen = 0
        self._watchers = watchers
        self._reference_outcomes = reference_outcomes
        self._reference: list[float] = []
        self._mean_log_odds = 0.0
        self._watching: tuple[_Watching, ...] = ()
        self._window = OutcomeWindow()
        self._warned: set[str] = set()
        # How many outcomes had been seen when a detector that has detected was last suspicious.
        self._detected: dict[str, int] = {}
        self._changepoints: dict[str, int] = {}

    @property
    def has_reference(self) -> bool:
        """Whether it is known where the model's probabilities lie."""
        return len(self._reference) >= self._reference_outcomes

    @property
    def still_ranks(self) -> bool:
        """Whether no detector of the ranking channel has said `detected`."""
        return not any(one.name in self._detected for one in self._of(RANKING))

    @property
    def ranks_again(self) -> bool:
        """Whether no detector of the ranking channel that could say `recovered` has yet to."""
        return not any(one.can_recover and one.name in self._detected for one in self._of(RANKING))

    @property
    def detected(self) -> tuple[tuple[str, str], ...]:
        """The detectors that have said `detected`, each with its channel."""
        found = [one for one in self._watching if one.name in self._detected]
        return tuple((one.name, one.channel) for one in found)

    @property
    def changepoint_ts(self) -> int:
        """When the model stopped ranking, as estimated; 0 while it does."""
        return 0 if self.still_ranks else self._changepoints.get(RANKING, 0)

    def judge(self, outcome: Outcome, probability: float) -> list[Finding]:
        """Take the next outcome, with the model's own probability for it."""
        y = int(outcome.y_binary > 0)
        self.outcomes_seen += 1
        self._window.add(outcome.ts, probability, y)
        if not self.has_reference:
            self._reference.append(probability)
            if self.has_reference:
                self._begin()
            return []
        findings = []
        for one in self._watching:
            value = one.stream(probability, y)
            if one.cluster is None:
                one.detector.update(value)
            else:
                complete = one.cluster.add(value, outcome.ts, outcome.exit_ts)
                if not complete:
                    continue
                # A module that says CLUSTERED makes such a one.
                cast(ClusteredDetector, one.detector).update_many(complete)
            findings += self._heard(one)
        return findings

    def detectors(self) -> tuple[DetectorState, ...]:
        """Return where each detector stands; none before there is a reference."""
        return tuple(
            DetectorState(
                one.name,
                one.channel,
                one.detector.statistic,
                one.detector.threshold,
                one.detector.warning_detected,
                one.name in self._detected,
            )
            for one in self._watching
        )

    def save(self) -> Saved:
        """Return all that is known of the model."""
        facts = {
            "from_ts": self.from_ts,
            "outcomes_seen": self.outcomes_seen,
            "reference": list(self._reference),
            "detectors": {one.name: one.detector.save() for one in self._watching},
            "clusters": {
                one.name: one.cluster.save() for one in self._watching if one.cluster is not None
            },
            "warned": sorted(self._warned),
            "detected": self._detected,
            "changepoints": self._changepoints,
        }
        return Saved.of(facts, window=self._window.save())

    def load(self, saved: Saved) -> None:
        """Go on from there, in a fresh watch by the same detectors."""
        facts = saved.facts
        self.from_ts, self.outcomes_seen = facts["from_ts"], facts["outcomes_seen"]
        self._reference = [float(value) for value in facts["reference"]]
        self._window.load(saved.part("window"))
        self._warned, self._detected = set(facts["warned"]), dict(facts["detected"])
        self._changepoints = dict(facts["changepoints"])
        if not self.has_reference:
            return
        self._begin()
        for one in self._watching:
            one.detector.load(facts["detectors"][one.name])
            if one.cluster is not None:
                one.cluster.load(facts["clusters"][one.name])

    def _begin(self) -> None:
        reference = Reference(self._reference)
        self._mean_log_odds = reference.mean_log_odds
        self._watching = tuple(_Watching(watcher, reference) for watcher in self._watchers)

    def _of(self, channel: str) -> list[_Watching]:
        return [one for one in self._watching if one.channel == channel]

    def _heard(self, one: _Watching) -> list[Finding]:
        detector, is_alarm = one.detector, one.detector.drift_detected
        level = self._level(one)
        if not level and not is_alarm:
            return []
        changepoint_ts = self._changepoint(one.channel)
        if is_alarm:
            self._changepoints[one.channel] = changepoint_ts
        elif not any(other.name in self._detected for other in self._of(one.channel)):
            # What alarms next is another change.
            self._changepoints.pop(one.channel, None)
        return [
            Finding(
                level,
                one.name,
                one.channel,
                detector.statistic,
                detector.threshold,
                changepoint_ts,
                is_alarm,
            )
        ]

    def _level(self, one: _Watching) -> str:
        """Return the level to announce now, or nothing where it has been announced."""
        if one.name in self._detected:
            return RECOVERED if self._has_calmed(one) else ""
        if one.detector.drift_detected:
            self._detected[one.name] = self.outcomes_seen
            return DETECTED
        if not one.detector.warning_detected:
            self._warned.discard(one.name)
        elif one.name not in self._warned:
            self._warned.add(one.name)
            return WARNING
        return ""

    def _has_calmed(self, one: _Watching) -> bool:
        detector = one.detector
        if detector.drift_detected or detector.warning_detected or not one.can_recover:
            self._detected[one.name] = self.outcomes_seen
        elif self.outcomes_seen - self._detected[one.name] >= CALM_OUTCOMES:
            del self._detected[one.name]
            return True
        return False

    def _changepoint(self, channel: str) -> int:
        """Date the change, unless what was before it is no longer in the window."""
        window, before = self._window, self._changepoints.get(channel)
        if before is not None and window.is_full and window.times.min() > before:
            return before
        columns = (window.times, window.probability, window.outcome)
        if channel == RANKING:
            return ranking_changepoint(*columns, self._mean_log_odds)
        return calibration_changepoint(*columns)
