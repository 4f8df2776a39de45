"""Intercept e-detector: are the model's probabilities still right on the whole?

Bets that log-odds lie .35 above or below the model's. An alarm asks for recalibration, not for a
retrain. `budget` holds for outcomes that do not overlap: trades that run at the same time and move
together inflate its false alarms (from 1.2 to 11.5 in 10,000 at a correlation of .3 in blocks of
10, measured), so it is not among the defaults.
"""

from engine.detector import Reference
from engine.e_detector import EDetector

CHANNEL = "calibration"
SHIFT = 0.35


def make(budget: float, reference: Reference) -> EDetector:
    """Return a detector of both directions; the reference has no effect here."""
    return EDetector(budget, (lambda said: said + SHIFT, lambda said: said - SHIFT))
