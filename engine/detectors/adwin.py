"""ADWIN on the error rate: is the mean of the recent part of the window higher than before?

river's ADWIN is two-sided; here only a rise alarms, an improvement is left to shrink its window. It
looks every 32 outcomes. The threshold is −log₁₀ δ. On a Brier score, whose mean hardly moves, it
never alarms. Source: Bifet, Gavaldà (2007), "Learning from
Time-Changing Data with Adaptive Windowing"; river.drift.ADWIN.
"""

from typing import Any

from engine.drift.detector import Reference
from engine.drift.river_detector import RiverDetector

CHANNEL = "ranking"
STREAMS = ("error",)
CLUSTERED = False
HAS_BUDGET = False
DEFAULT_THRESHOLDS = {"error": 2.7}
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


def make(threshold: float, reference: Reference, stream: str) -> RiverDetector:
    """Return a detector of `stream`."""
    from river.drift import ADWIN

    return RiverDetector(
        lambda: OneSided(ADWIN(delta=10.0**-threshold)),  # type: ignore[no-untyped-call]
        stream=stream,
        tolerance=TOLERANCE,
    )
