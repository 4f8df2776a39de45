"""HDDM_A on the error rate: a one-sided Hoeffding test of the running mean.

Value: 1 where the likelier side was wrong. Source: Frías-Blanco et al. (2015), "Online and
Non-Parametric Drift Detection Methods Based on Hoeffding's Bounds"; river's HDDMA (its name since
river 0.22).
"""

from engine.detector import Reference, StreamDetector, error

CHANNEL = "ranking"
CONFIDENCE = 0.001
TOLERANCE = 0.01


def make(budget: float, reference: Reference) -> StreamDetector:
    """Return a detector; `budget` is the e-detectors' and has no effect here."""
    from river.drift.binary import HDDMA

    river_detector = HDDMA(  # type: ignore[no-untyped-call]
        drift_confidence=CONFIDENCE, two_sided_test=False
    )
    return StreamDetector(river_detector, error, tolerance=TOLERANCE)
