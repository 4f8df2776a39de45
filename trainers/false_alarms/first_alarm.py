"""When a detector first alarms on a stream of outcomes, at one threshold or at many.

The drift watch gives a detector every outcome, or every cluster once an outcome comes that is not
of it (`engine/drift/model_watch.py`); so does this. An e-detector's statistic does not depend on
its threshold, and is worked out by a compiled loop; any other detector is fed itself.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from engine.drift.detector import PROBABILITY_MIN, ClusteredDetector, Detector, Named, Reference
from engine.drift.e_detector import EDetector, Line
from engine.drift.outcome_stream import DECISION, make_stream
from trainers.false_alarms.evidence_kernel import load_evidence
from trainers.false_alarms.simulated_outcomes import Drawn

NEVER = 0
RESIDUAL, ERROR = "residual", "error"
ALARM_LAG = 1
"""A cluster is handed over when the next outcome comes."""

Floats = NDArray[np.float64]


class FirstAlarm(Protocol):
    """Takes outcomes; `times` int64[j]: how many there were at the alarm of each threshold.

    NEVER where it has not come yet. Outcomes after the alarm of the last threshold are passed over.
    """

    times: NDArray[np.int64]

    @property
    def is_over(self) -> bool:
        """Whether every threshold has been reached."""
        ...

    def feed(self, drawn: Drawn) -> None:
        """Take the next outcomes."""
        ...


def first_alarm(
    named: Named, thresholds: Sequence[float], reference: Reference, probability: Floats
) -> FirstAlarm:
    """Return what waits for the alarms of a detector at rising thresholds.

    `probability` float64[n] is what the model says by row. A detector whose threshold is its own
    parameter can be asked for one only.
    """
    if named.stream in (RESIDUAL, ERROR):
        detector = named.module.make(float("inf"), reference, named.stream)
        if isinstance(detector, EDetector):
            return EvidenceAlarm(
                detector,
                thresholds,
                probability,
                stream=named.stream,
                is_clustered=named.module.CLUSTERED,
            )
    return DetectorAlarm(named, thresholds, reference, probability)


class EvidenceAlarm:
    """An e-detector of residuals or of errors."""

    def __init__(
        self,
        detector: EDetector,
        thresholds: Sequence[float],
        probability: Floats,
        *,
        stream: str,
        is_clustered: bool,
    ) -> None:
        self._ratios = _ratios(detector, probability, stream)
        self._weights = np.array([bet.weight for bet in detector.bets])
        self._thresholds = np.asarray(thresholds, dtype=np.float64)
        self._is_clustered = is_clustered
        self._evidence = np.zeros(self._weights.size)
        self._partial = np.zeros(self._weights.size)
        # Of the open cluster, in all, thresholds reached: the compiled loop's.
        self._counts = np.zeros(3, dtype=np.int64)
        self._accumulate = load_evidence().accumulate
        self.times = np.full(self._thresholds.size, NEVER, dtype=np.int64)

    @property
    def is_over(self) -> bool:
        """Whether every threshold has been reached."""
        return int(self._counts[2]) >= self._thresholds.size

    def feed(self, drawn: Drawn) -> None:
        """Take the next outcomes."""
        ends = drawn.ends if self._is_clustered else np.ones(drawn.rows.size, dtype=np.bool_)
        self._accumulate(
            self._ratios,
            self._weights,
            drawn.rows,
            drawn.y,
            ends,
            self._evidence,
            self._partial,
            self._counts,
            self._thresholds,
            self.times,
            ALARM_LAG if self._is_clustered else 0,
        )


class DetectorAlarm:
    """Any detector, fed as the watch feeds it."""

    def __init__(
        self,
        named: Named,
        thresholds: Sequence[float],
        reference: Reference,
        probability: Floats,
    ) -> None:
        module = named.module
        if not module.HAS_BUDGET and len(thresholds) != 1:
            raise ValueError(f"{named.name} has one threshold at a time, was {len(thresholds)}")
        self._thresholds = [float(one) for one in thresholds]
        own = float("inf") if module.HAS_BUDGET else self._thresholds[0]
        self._has_budget = module.HAS_BUDGET
        self._detector: Any = module.make(own, reference, named.stream)
        self._stream = make_stream(named.stream, reference)
        self._probability = probability.tolist()
        self._cluster: list[float] = []
        self._is_clustered = module.CLUSTERED
        self._is_complete = False
        self._reached = 0
        self.seen = 0
        self.times = np.full(len(self._thresholds), NEVER, dtype=np.int64)

    @property
    def is_over(self) -> bool:
        """Whether every threshold has been reached."""
        return self._reached >= len(self._thresholds)

    def feed(self, drawn: Drawn) -> None:
        """Take the next outcomes."""
        columns = (drawn.rows.tolist(), drawn.y.tolist(), drawn.ends.tolist())
        for row, y, is_end in zip(*columns, strict=True):
            if self.is_over:
                return
            self.seen += 1
            value = self._stream(self._probability[row], y)
            if self._is_clustered:
                self._gather(value, is_end=is_end)
            else:
                self._detector.update(value)
                self._look()

    def _gather(self, value: float, *, is_end: bool) -> None:
        detector: ClusteredDetector = self._detector
        if self._is_complete:
            detector.update_many(self._cluster)
            self._cluster = []
            self._look()
        self._cluster.append(value)
        self._is_complete = is_end

    def _look(self) -> None:
        detector: Detector = self._detector
        if not self._has_budget:
            if detector.drift_detected:
                self.times[0], self._reached = self.seen, 1
            return
        while not self.is_over and detector.statistic >= self._thresholds[self._reached]:
            self.times[self._reached] = self.seen
            self._reached += 1


def _ratios(detector: EDetector, probability: Floats, stream: str) -> Floats:
    """What each bet's evidence is multiplied by, float64[n, outcome, bet]."""
    p = np.clip(probability, PROBABILITY_MIN, 1.0 - PROBABILITY_MIN)
    # Of errors it is the same whatever was said.
    said = np.zeros(p.size) if stream == ERROR else np.log(p / (1.0 - p))
    # Bets have lines in common.
    lines = {line for bet in detector.bets for line in (bet.on, bet.against)}
    wins: dict[Line, Floats] = {line: expit(line.offset + line.slope * said) for line in lines}
    found = np.empty((said.size, 2, len(detector.bets)))
    for number, bet in enumerate(detector.bets):
        on, against = wins[bet.on], wins[bet.against]
        found[:, 1, number] = on / against
        found[:, 0, number] = (1.0 - on) / (1.0 - against)
    if stream == ERROR:
        # It was held to an error, 1 or 0: where the likelier side is a win, that is a loss.
        likelier = probability >= DECISION
        found[likelier] = found[likelier, ::-1]
    return found
