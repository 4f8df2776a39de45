"""Slope e-detector (Shiryaev–Roberts form): does the model still rank its signals?

Bets that the slope of log-odds on the model's is κ < 1 instead of 1. For l = logit p̂ and its
reference mean l̄: q = σ(l̄ + κ (l − l̄)) and R ← (R + 1) · q(y) / p̂(y), one R per κ. Their mean is
the statistic; it alarms at `budget`. If p̂ is calibrated, the mean number of outcomes to a false
alarm is at least `budget`, whatever the law of the inputs: a stated false-alarm budget. Source:
Shin, Ramdas, Rinaldo (2022), "E-detectors: a nonparametric framework for sequential change
detection".
"""

import math

from engine.detector import Reference, clipped, log_odds

CHANNEL = "ranking"
SLOPES = (0.5, 0.0, -0.5, -1.0)
WARNING = 0.1
CALM = 0.01


class Slope:
    """The e-detector of one model; warns at WARNING · budget until below CALM · budget."""

    def __init__(self, budget: float, reference: Reference) -> None:
        self._mean_log_odds = reference.mean_log_odds
        self.threshold = budget
        self.false_alarm_budget = budget
        self._restart()

    def _restart(self) -> None:
        self._evidence = [0.0] * len(SLOPES)
        self._excess = [0.0] * len(SLOPES)
        self._age = [0] * len(SLOPES)
        self.statistic = 0.0
        self.is_warning = False
        self.is_detected = False
        self.outcomes_since_change = 0

    def update(self, probability: float, outcome: int) -> None:
        """Take a prediction and its outcome."""
        if self.is_detected:
            self._restart()
        p = clipped(probability)
        mean = self._mean_log_odds
        distance = log_odds(p) - mean
        likelihood = p if outcome else 1.0 - p
        for i, slope in enumerate(SLOPES):
            q = 1.0 / (1.0 + math.exp(-(mean + slope * distance)))
            e_value = (q if outcome else 1.0 - q) / likelihood
            self._evidence[i] = (self._evidence[i] + 1.0) * e_value
            self._excess[i] += math.log(e_value)
            # The changepoint is where the cumulative log e-value was last at its lowest.
            if self._excess[i] <= 0.0:
                self._excess[i], self._age[i] = 0.0, 0
            else:
                self._age[i] += 1
        self.statistic = sum(self._evidence) / len(SLOPES)
        strongest = max(range(len(SLOPES)), key=self._evidence.__getitem__)
        self.outcomes_since_change = self._age[strongest]
        # Suspicion passes well below where it arose, so that it is not announced at every turn.
        share = CALM if self.is_warning else WARNING
        self.is_warning = self.statistic >= share * self.threshold
        self.is_detected = self.statistic >= self.threshold


def make(budget: float, reference: Reference) -> Slope:
    """Return a detector that alarms falsely once in `budget` outcomes or less often."""
    return Slope(budget, reference)
