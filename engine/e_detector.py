"""E-detectors of Shiryaev–Roberts form: evidence against a calibrated model, with a budget.

Each bet says which probability q it would give instead of the model's p̂. Its evidence goes
R ← (R + 1) · q(y) / p̂(y), where q(y) is q for y = 1 and 1 − q for y = 0. The statistic is the
weighted mean over the bets; the alarm is at `threshold`. If p̂ is calibrated, the mean number of
outcomes to a false alarm is at least that, whatever the law of the inputs. Source: Shin, Ramdas,
Rinaldo (2022), "E-detectors: a nonparametric framework for sequential change detection".

m outcomes of concurrent trades may move together. The mean of their ratios has mean 1 however they
do: R ← (R + m) · mean of q(y) / p̂(y) keeps the same promise in outcomes.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from engine.detector import log_odds
from engine.outcome_stream import prediction_of

WARNING = 0.1
CALM = 0.01

Bet = Callable[[float], float]


class EDetector:
    """Watches one model's `residual` by `bets`, each from the model's log-odds to its own.

    `weights` of the bets sum to 1; equal unless given. Warns at WARNING · threshold until below
    CALM · threshold, so that suspicion is not announced at every turn.
    """

    def __init__(
        self, threshold: float, bets: Sequence[Bet], weights: Sequence[float] = ()
    ) -> None:
        self._bets = tuple(bets)
        self._weights = tuple(weights) or (1.0 / len(self._bets),) * len(self._bets)
        self.threshold = threshold
        self._restart()

    def update(self, x: float) -> None:
        """Take the residual of the next outcome; NaN is passed over."""
        self.update_many((x,))

    def update_many(self, xs: Sequence[float]) -> None:
        """Take the residuals of concurrent trades; NaN is passed over."""
        predictions = [prediction_of(x) for x in xs if not math.isnan(x)]
        if not predictions:
            return
        if self.drift_detected:
            self._restart()
        count = len(predictions)
        totals = [0.0] * len(self._bets)
        for p, outcome in predictions:
            said = log_odds(p)
            likelihood = p if outcome else 1.0 - p
            for i, bet in enumerate(self._bets):
                q = 1.0 / (1.0 + math.exp(-bet(said)))
                totals[i] += (q if outcome else 1.0 - q) / likelihood
        for i, total in enumerate(totals):
            e_value = total / count
            self._evidence[i] = (self._evidence[i] + count) * e_value
            self._excess[i] += math.log(e_value)
            # The changepoint is where the cumulative log e-value was last at its lowest.
            if self._excess[i] <= 0.0:
                self._excess[i], self._age[i] = 0.0, 0
            else:
                self._age[i] += count
        self._conclude()

    def save(self) -> dict[str, Any]:
        """Return the evidence of each bet, and what has been said."""
        return {
            "evidence": list(self._evidence),
            "excess": list(self._excess),
            "age": list(self._age),
            "warning": self.warning_detected,
            "detected": self.drift_detected,
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Go on from there."""
        self._evidence = [float(value) for value in saved["evidence"]]
        self._excess = [float(value) for value in saved["excess"]]
        self._age = [int(value) for value in saved["age"]]
        self._conclude()
        self.warning_detected = bool(saved["warning"])
        self.drift_detected = bool(saved["detected"])

    def _restart(self) -> None:
        self._evidence = [0.0] * len(self._bets)
        self._excess = [0.0] * len(self._bets)
        self._age = [0] * len(self._bets)
        self.statistic = 0.0
        self.warning_detected = False
        self.drift_detected = False
        self.outcomes_since_change = 0

    def _conclude(self) -> None:
        weighted = [w * r for w, r in zip(self._weights, self._evidence, strict=True)]
        self.statistic = sum(weighted)
        strongest = max(range(len(weighted)), key=weighted.__getitem__)
        self.outcomes_since_change = self._age[strongest]
        share = CALM if self.warning_detected else WARNING
        self.warning_detected = self.statistic >= share * self.threshold
        self.drift_detected = self.statistic >= self.threshold
