"""E-detectors of Shiryaev–Roberts form: evidence against a calibrated model, with a budget.

Each bet says which probability q it would give instead of the model's p̂. Its evidence goes
R ← (R + 1) · q(y) / p̂(y), where q(y) is q for y = 1 and 1 − q for y = 0. The statistic is the mean
over the bets; the alarm is at `budget`. If p̂ is calibrated, the mean number of outcomes to a
false alarm is at least `budget`, whatever the law of the inputs. Source: Shin, Ramdas, Rinaldo
(2022), "E-detectors: a nonparametric framework for sequential change detection".
"""

import math
from collections.abc import Callable

from engine.detector import clipped, log_odds

WARNING = 0.1
CALM = 0.01

Bet = Callable[[float], float]


class EDetector:
    """Watches one model by `bets`, each from the model's log-odds to its own.

    Warns at WARNING · budget until below CALM · budget, so that suspicion is not announced at
    every turn.
    """

    def __init__(self, budget: float, bets: tuple[Bet, ...]) -> None:
        self._bets = bets
        self.threshold = budget
        self.false_alarm_budget = budget
        self._restart()

    def _restart(self) -> None:
        self._evidence = [0.0] * len(self._bets)
        self._excess = [0.0] * len(self._bets)
        self._age = [0] * len(self._bets)
        self.statistic = 0.0
        self.is_warning = False
        self.is_detected = False
        self.outcomes_since_change = 0

    def update(self, probability: float, outcome: int) -> None:
        """Take a prediction and its outcome."""
        if self.is_detected:
            self._restart()
        p = clipped(probability)
        said = log_odds(p)
        likelihood = p if outcome else 1.0 - p
        for i, bet in enumerate(self._bets):
            q = 1.0 / (1.0 + math.exp(-bet(said)))
            e_value = (q if outcome else 1.0 - q) / likelihood
            self._evidence[i] = (self._evidence[i] + 1.0) * e_value
            self._excess[i] += math.log(e_value)
            # The changepoint is where the cumulative log e-value was last at its lowest.
            if self._excess[i] <= 0.0:
                self._excess[i], self._age[i] = 0.0, 0
            else:
                self._age[i] += 1
        self.statistic = sum(self._evidence) / len(self._bets)
        strongest = max(range(len(self._bets)), key=self._evidence.__getitem__)
        self.outcomes_since_change = self._age[strongest]
        share = CALM if self.is_warning else WARNING
        self.is_warning = self.statistic >= share * self.threshold
        self.is_detected = self.statistic >= self.threshold
