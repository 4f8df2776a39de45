"""E-detectors of Shiryaev–Roberts form: evidence against a calibrated model, with a budget.

Each bet says which probability q it would give instead of p, what the model is held to. Its
evidence goes R ← (R + 1) · q(y) / p(y), where q(y) is q for y = 1 and 1 − q for y = 0. The
statistic is the weighted mean over the bets; the alarm is at `threshold`. While the truth is p, or
lies beyond it as seen from q, the mean number of outcomes to a false alarm is at least that,
whatever the law of the inputs. Source: Shin, Ramdas, Rinaldo (2022), "E-detectors: a nonparametric
framework for sequential change detection".

m outcomes of concurrent trades may move together. The mean of their ratios has mean 1 however they
do: R ← (R + m) · mean of q(y) / p(y) keeps the same promise in outcomes.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from engine.drift.detector import log_odds
from engine.drift.outcome_stream import prediction_of

WARNING = 0.1
CALM = 0.01


class Line(NamedTuple):
    """Log-odds made of the model's own: `offset` + `slope` · l."""

    slope: float
    offset: float

    def surprise(self, said: float, side: float) -> float:
        """Return 1 / the probability of `side`, 1 or −1, where the model's log-odds are `said`."""
        return 1.0 + math.exp(-side * (self.offset + self.slope * said))


class Bet(NamedTuple):
    """What is bet on, what it is held against, and its share of the evidence."""

    on: Line
    against: Line
    weight: float


class EDetector:
    """Watches one model by `bets`, whose weights sum to 1.

    `read` makes the probability and the outcome of a value of the stream. Warns at WARNING ·
    threshold until below CALM · threshold, so that suspicion is not announced at every turn.
    """

    def __init__(
        self,
        threshold: float,
        bets: Sequence[Bet],
        read: Callable[[float], tuple[float, int]] = prediction_of,
    ) -> None:
        self._bets = tuple(bets)
        self._read = read
        self.threshold = threshold
        self._restart()

    @property
    def bets(self) -> tuple[Bet, ...]:
        """What is bet on."""
        return self._bets

    def update(self, x: float) -> None:
        """Take the next value; NaN is passed over."""
        self.update_many((x,))

    def update_many(self, xs: Sequence[float]) -> None:
        """Take the values of concurrent trades; NaN is passed over."""
        predictions = [self._read(x) for x in xs if not math.isnan(x)]
        if not predictions:
            return
        if self.drift_detected:
            self._restart()
        count = len(predictions)
        sides = [(log_odds(p), 1.0 if outcome else -1.0) for p, outcome in predictions]
        for i, (on, against, _) in enumerate(self._bets):
            total = 0.0
            for said, side in sides:
                total += against.surprise(said, side) / on.surprise(said, side)
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
        """Return the evidence of each bet, and what was said last."""
        return {
            "evidence": list(self._evidence),
            "excess": list(self._excess),
            "age": list(self._age),
            "warning": self.warning_detected,
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Go on from there."""
        self._evidence = [float(value) for value in saved["evidence"]]
        self._excess = [float(value) for value in saved["excess"]]
        self._age = [int(value) for value in saved["age"]]
        self._conclude()
        self.warning_detected = bool(saved["warning"])

    def _restart(self) -> None:
        self._evidence = [0.0] * len(self._bets)
        self._excess = [0.0] * len(self._bets)
        self._age = [0] * len(self._bets)
        self.statistic = 0.0
        self.warning_detected = False
        self.drift_detected = False
        self.outcomes_since_change = 0

    def _conclude(self) -> None:
        shares = [bet.weight * r for bet, r in zip(self._bets, self._evidence, strict=True)]
        self.statistic = sum(shares)
        self.outcomes_since_change = self._age[max(range(len(shares)), key=shares.__getitem__)]
        self.drift_detected = self.statistic >= self.threshold
        share = CALM if self.warning_detected else WARNING
        # An alarm is no warning: river's pipelines look at the warning first.
        is_suspicious = self.statistic >= share * self.threshold
        self.warning_detected = is_suspicious and not self.drift_detected
