"""Page-Hinkley on the rank residual: do outcomes still agree with the order of predictions?

The stream's mean rises when high ranks begin to lose. One-sided: an improvement does not alarm. The
threshold is λ; δ goes with the stream. Both are in units of the stream, but for Brier scores: how
far those spread depends on how sure a model is of itself, and is the unit there. Source: Page
(1954), "Continuous Inspection Schemes"; river.drift.PageHinkley.
"""

import math

from engine.drift.detector import Reference
from engine.drift.river_detector import RiverDetector

CHANNEL = "ranking"
STREAMS = ("rank_residual", "brier", "error")
CLUSTERED = False
HAS_BUDGET = False
DEFAULT_THRESHOLDS = {"rank_residual": 3.5, "brier": 50.0, "error": 50.0}
DELTAS = {"rank_residual": 0.01, "brier": 0.06, "error": 0.005}
SPREAD_MIN = 1e-3


def make(threshold: float, reference: Reference, stream: str) -> RiverDetector:
    """Return a detector of `stream`."""
    from river.drift import PageHinkley

    unit = _brier_spread(reference) if stream == "brier" else 1.0
    delta = DELTAS[stream] * unit
    return RiverDetector(
        lambda: PageHinkley(delta=delta, threshold=threshold * unit, mode="up"),
        stream=stream,
        tolerance=delta,
    )


def _brier_spread(reference: Reference) -> float:
    """Return the standard deviation of the Brier score of a calibrated model like the reference."""
    said = reference.probabilities
    mean = math.fsum(p * (1.0 - p) for p in said) / len(said)
    square = math.fsum(p * (1.0 - p) ** 4 + (1.0 - p) * p**4 for p in said) / len(said)
    return max(math.sqrt(max(square - mean * mean, 0.0)), SPREAD_MIN)
