"""Slope e-detector: does the model still rank its signals?

Bets that log-odds are l̄ + κ (l − l̄) instead of the model's l, for κ < 1: that they are flatter,
flat or reversed around their reference mean l̄. Keeps `threshold` as its false-alarm budget.
"""

from engine.detector import Reference
from engine.e_detector import Bet, EDetector

CHANNEL = "ranking"
STREAMS = ("residual",)
CLUSTERED = False
HAS_BUDGET = True
DEFAULT_THRESHOLDS: dict[str, float] = {}
SLOPES = (0.5, 0.0, -0.5, -1.0)


def make(threshold: float, reference: Reference, stream: str) -> EDetector:
    """Return a detector that alarms falsely once in `threshold` outcomes or less often."""
    mean = reference.mean_log_odds

    def bet_on(slope: float) -> Bet:
        return lambda said: mean + slope * (said - mean)

    return EDetector(threshold, [bet_on(slope) for slope in SLOPES])
