"""Intercept e-detector: are the model's probabilities still right on the whole?

Bets that log-odds lie .35 above or below the model's, against .1 above or below: an error of
calibration that a model may well be born with is no drift. An alarm asks for recalibration, not for
a retrain. Trades that run at the same time and move together would inflate its false alarms (from
1.2 to 11.5 in 10,000 at a correlation of .3 in blocks of 10, measured): it takes them as one
cluster. Keeps `threshold` as its false-alarm budget.
"""

from engine.drift.detector import Reference
from engine.drift.e_detector import Bet, EDetector, Line

CHANNEL = "calibration"
STREAMS = ("residual",)
CLUSTERED = True
HAS_BUDGET = True
DEFAULT_THRESHOLDS: dict[str, float] = {}
SHIFT = 0.35
SHIFT_BORNE = 0.1


def make(threshold: float, reference: Reference, stream: str) -> EDetector:
    """Return a detector of both directions; the reference has no effect here."""
    return EDetector(
        threshold,
        [Bet(Line(1.0, side * SHIFT), Line(1.0, side * SHIFT_BORNE), 0.5) for side in (1.0, -1.0)],
    )
