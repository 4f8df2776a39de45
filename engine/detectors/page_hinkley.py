"""Page-Hinkley on the rank residual: do outcomes still agree with the order of predictions?

The stream's mean rises when high ranks begin to lose. One-sided: an improvement does not alarm. The
threshold is λ; δ goes with the stream. With the defaults it gave .2 false alarms in 10,000 outcomes
of a model with AUC .58. Source: Page (1954), "Continuous Inspection Schemes";
river.drift.PageHinkley.
"""

from engine.detector import Reference
from engine.river_detector import RiverDetector

CHANNEL = "ranking"
STREAMS = ("rank_residual", "brier", "error")
CLUSTERED = False
HAS_BUDGET = False
DEFAULT_THRESHOLDS = {"rank_residual": 3.5, "brier": 3.0, "error": 50.0}
DELTAS = {"rank_residual": 0.01, "brier": 0.006, "error": 0.005}


def make(threshold: float, reference: Reference, stream: str) -> RiverDetector:
    """Return a detector of `stream`."""
    from river.drift import PageHinkley

    delta = DELTAS[stream]
    return RiverDetector(
        lambda: PageHinkley(delta=delta, threshold=threshold, mode="up"), tolerance=delta
    )
