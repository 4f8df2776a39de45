"""ADWIN on the error rate: is the mean of the recent part of the window higher than before?

Value: 1 where the likelier side was wrong. river's ADWIN is two-sided; here only a rise alarms,
an improvement is left to shrink its window. It looks every 32 outcomes. Source: Bifet, Gavaldà
(2007), "Learning from Time-Changing Data with Adaptive Windowing"; river.drift.ADWIN.
"""

from typing import Any

from engine.detector import Reference, StreamDetector, error

CHANNEL = "ranking"
DELTA = 0.002
TOLERANCE = 0.01


class OneSided:
    """ADWIN that says drift only when the mean of its window rose."""

    def __init__(self, adwin: Any) -> None:
        self._adwin = adwin
        self.drift_detected = False

    def update(self, value: float) -> None:
        """Take the next value."""
        before = self._adwin.estimation
        self._adwin.update(value)
        has_risen = self._adwin.estimation > before
        self.drift_detected = bool(self._adwin.drift_detected) and has_risen


def make(budget: float, reference: Reference) -> StreamDetector:
    """Return a detector; `budget` is the e-detectors' and has no effect here."""
    from river.drift import ADWIN

    river_detector = OneSided(ADWIN(delta=DELTA))  # type: ignore[no-untyped-call]
    return StreamDetector(river_detector, error, tolerance=TOLERANCE)
