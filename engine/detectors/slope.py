"""Slope e-detector: does the model still rank its signals?

A model is held to log-odds l̄ + .95 (l − l̄), where l is what it says and l̄ the mean of its
reference: one that is a little too sure of itself is not drifting. Bets are that the slope is 0,
−.5, −1 or −2 instead: that outcomes no longer follow the model, or run against it. Steep ones see a
reversal sooner than the flat one does, and cost little beside it. Keeps `threshold` as its
false-alarm budget.

On `error` it weighs whether the likelier side was wrong against how often it would be under each of
these slopes, for predictions like the reference. Slower, but all it takes is right or wrong.
"""

from engine.drift.detector import Reference, log_odds
from engine.drift.e_detector import Bet, EDetector, Line
from engine.drift.outcome_stream import DECISION, prediction_of

CHANNEL = "ranking"
STREAMS = ("residual", "error")
CLUSTERED = False
HAS_BUDGET = True
DEFAULT_THRESHOLDS: dict[str, float] = {}
SLOPES = (0.0, -0.5, -1.0, -2.0)
WEIGHTS = (0.4, 0.2, 0.2, 0.2)
SLOPE_KEPT = 0.95


def make(threshold: float, reference: Reference, stream: str) -> EDetector:
    """Return a detector that alarms falsely once in `threshold` outcomes or less often."""
    line, read = (_error_line, _right_or_wrong) if stream == "error" else (_line, prediction_of)
    kept = line(reference, SLOPE_KEPT)
    bets = [
        Bet(line(reference, slope), kept, weight)
        for slope, weight in zip(SLOPES, WEIGHTS, strict=True)
    ]
    return EDetector(threshold, bets, read)


def _line(reference: Reference, slope: float) -> Line:
    return Line(slope, (1.0 - slope) * reference.mean_log_odds)


def _error_line(reference: Reference, slope: float) -> Line:
    """The log-odds of an error, whatever was said: outcomes follow `slope` on the reference."""
    line = _line(reference, slope)
    total = 0.0
    for probability in reference.probabilities:
        likelier = 1.0 if probability >= DECISION else -1.0
        total += 1.0 / line.surprise(log_odds(probability), -likelier)
    return Line(0.0, log_odds(total / len(reference.probabilities)))


def _right_or_wrong(x: float) -> tuple[float, int]:
    return DECISION, int(x >= DECISION)
