"""Page-Hinkley on the rank residual: do outcomes still agree with the order of predictions?

Value: (y − p̄)(½ − u), where u is the rank of p̂ among the reference predictions and p̄ their mean;
its mean rises when high ranks begin to lose. One-sided: an improvement does not alarm. With the
scale below, delta .01 and lambda 3.5 gave .2 false alarms in 10,000 outcomes of a model with
AUC .58. Source: Page (1954), "Continuous Inspection Schemes"; river.drift.PageHinkley.
"""

from engine.detector import Reference, StreamDetector

CHANNEL = "ranking"
DELTA = 0.01
LAMBDA = 3.5
RESIDUAL_SCALE = 0.65


def make(budget: float, reference: Reference) -> StreamDetector:
    """Return a detector; `budget` is the e-detectors' and has no effect here."""
    from river.drift import PageHinkley

    mean = reference.mean_probability

    def rank_residual(probability: float, outcome: int) -> float:
        return RESIDUAL_SCALE * (outcome - mean) * (0.5 - reference.rank(probability))

    river_detector = PageHinkley(delta=DELTA, threshold=LAMBDA, mode="up")
    return StreamDetector(river_detector, rank_residual, tolerance=DELTA)
