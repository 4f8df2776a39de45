"""DDM on the error rate: has it risen `threshold` standard deviations above its minimum?

One-sided. Slow where the error is near a half, as it is for meta-labels. Source: Gama et al.
(2004), "Learning with Drift Detection"; river's DDM.
"""

from engine.drift.detector import Reference
from engine.drift.river_detector import RiverDetector

CHANNEL = "ranking"
STREAMS = ("error",)
CLUSTERED = False
HAS_BUDGET = False
DEFAULT_THRESHOLDS = {"error": 3.0}
TOLERANCE = 0.01


def make(threshold: float, reference: Reference, stream: str) -> RiverDetector:
    """Return a detector of `stream`."""
    from river.drift.binary import DDM

    return RiverDetector(lambda: DDM(drift_threshold=threshold), stream=stream, tolerance=TOLERANCE)
