"""HDDM_A on the error rate: a one-sided Hoeffding test of the running mean.

The threshold is −log₁₀ of the test's confidence. Source: Frías-Blanco et al. (2015), "Online and
Non-Parametric Drift Detection Methods Based on Hoeffding's Bounds"; river's HDDMA (its name since
river 0.22).
"""

from engine.drift.detector import Reference
from engine.drift.river_detector import RiverDetector

CHANNEL = "ranking"
STREAMS = ("error",)
CLUSTERED = False
HAS_BUDGET = False
DEFAULT_THRESHOLDS = {"error": 3.0}
TOLERANCE = 0.01
CONFIDENCE_MIN = 1e-300


def make(threshold: float, reference: Reference, stream: str) -> RiverDetector:
    """Return a detector of `stream`."""
    from river.drift.binary import HDDMA

    return RiverDetector(
        lambda: HDDMA(  # type: ignore[no-untyped-call]
            drift_confidence=max(10.0**-threshold, CONFIDENCE_MIN), two_sided_test=False
        ),
        stream=stream,
        tolerance=TOLERANCE,
    )
