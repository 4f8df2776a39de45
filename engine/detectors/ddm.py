"""DDM on the error rate: has it risen three standard deviations above its minimum?

Value: 1 where the likelier side was wrong. One-sided. Slow where the error is near a half, as it
is for meta-labels. Source: Gama et al. (2004), "Learning with Drift Detection"; river's DDM.
"""

from engine.detector import Reference, StreamDetector, error

CHANNEL = "ranking"
DRIFT_SIGMAS = 3.0
TOLERANCE = 0.01


def make(budget: float, reference: Reference) -> StreamDetector:
    """Return a detector; `budget` is the e-detectors' and has no effect here."""
    from river.drift.binary import DDM

    river_detector = DDM(drift_threshold=DRIFT_SIGMAS)
    return StreamDetector(river_detector, error, tolerance=TOLERANCE)
