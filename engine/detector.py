"""Drift detectors by name: each file under `engine/detectors/` is one, its file name its config
name.

A detector module holds `CHANNEL` (what its alarm means: ranking or calibration) and
`make(budget, reference) -> Detector`. Its river imports stay inside `make`: importing river
costs 150 MiB, and the e-detectors do not need it.
"""

import bisect
import importlib
import math
import pkgutil
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import engine.detectors
from streams.errors import ConfigError
from streams.strict import nearest

PROBABILITY_MIN = 1e-6
DECISION = 0.5


class Detector(Protocol):
    """Watches the outcomes of one model, one at a time, in order.

    `statistic` is compared with `threshold`. `is_detected` is true on the update that alarms;
    the detector starts anew on the update after. `is_warning` is true while the statistic is
    suspicious. `outcomes_since_change` counts the outcomes since the estimated changepoint.
    `false_alarm_budget` is the mean number of outcomes to a false alarm; 0 where none is stated.
    """

    statistic: float
    threshold: float
    is_warning: bool
    is_detected: bool
    outcomes_since_change: int
    false_alarm_budget: float

    def update(self, probability: float, outcome: int) -> None:
        """Take a prediction in (0, 1) and what became of it: 1 or 0."""
        ...


class Reference:
    """The predictions a model made at first: where its probabilities usually lie.

    >>> reference = Reference([0.2, 0.4, 0.6, 0.8])
    >>> reference.rank(0.5), round(reference.mean_log_odds, 6)
    (0.5, 0.0)
    """

    def __init__(self, probabilities: Sequence[float]) -> None:
        if not probabilities:
            raise ValueError("a reference needs at least one probability, was given none")
        self._sorted = sorted(probabilities)
        self.mean_log_odds = math.fsum(map(log_odds, self._sorted)) / len(self._sorted)
        self.mean_probability = math.fsum(self._sorted) / len(self._sorted)

    def rank(self, probability: float) -> float:
        """Return the share of the reference below `probability`, ties counting half: 0 to 1."""
        below = bisect.bisect_left(self._sorted, probability)
        upto = bisect.bisect_right(self._sorted, probability)
        return (below + upto) / (2.0 * len(self._sorted))


class RisingMean:
    """Where a stream's mean began to rise: the age of the last low of its cumulative excess.

    Excess is over the running mean plus `tolerance`. After a rise that began k values ago,
    `age` is about k.
    """

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._count = 0
        self._mean = 0.0
        self._excess = 0.0
        self.age = 0

    def update(self, value: float) -> None:
        """Take the next value."""
        self._count += 1
        self._mean += (value - self._mean) / self._count
        self._excess += value - self._mean - self._tolerance
        if self._excess <= 0.0:
            self._excess, self.age = 0.0, 0
        else:
            self.age += 1


class StreamDetector:
    """A river detector over a stream of numbers that rises when the model worsens.

    `stream` makes the number of a prediction and its outcome. river resets itself on the update
    after an alarm; the changepoint is then looked for anew. river shows a verdict, no statistic:
    `statistic` is 1 on an alarm, else 0, and `threshold` 1.
    """

    def __init__(
        self,
        river_detector: Any,
        stream: Callable[[float, int], float],
        *,
        tolerance: float,
    ) -> None:
        self._river = river_detector
        self._stream = stream
        self._tolerance = tolerance
        self._rise = RisingMean(tolerance)
        self.threshold = 1.0
        self.statistic = 0.0
        self.is_warning = False
        self.is_detected = False
        self.outcomes_since_change = 0
        self.false_alarm_budget = 0.0

    def update(self, probability: float, outcome: int) -> None:
        """Take a prediction and its outcome."""
        if self.is_detected:
            self._rise = RisingMean(self._tolerance)
        value = self._stream(probability, outcome)
        self._rise.update(value)
        self._river.update(value)
        self.is_detected = bool(self._river.drift_detected)
        self.is_warning = bool(getattr(self._river, "warning_detected", False))
        self.outcomes_since_change = self._rise.age
        self.statistic = float(self.is_detected)


def error(probability: float, outcome: int) -> float:
    """Return 1.0 when the likelier side was wrong, else 0.0."""
    return float((probability >= DECISION) != (outcome == 1))


def log_odds(probability: float) -> float:
    """Return log(p / (1 − p)), p held within PROBABILITY_MIN of 0 and 1."""
    p = clipped(probability)
    return math.log(p / (1.0 - p))


def clipped(probability: float) -> float:
    """Return `probability` held within PROBABILITY_MIN of 0 and 1."""
    return min(max(probability, PROBABILITY_MIN), 1.0 - PROBABILITY_MIN)


def detector_names() -> tuple[str, ...]:
    """Return the names of all detectors, sorted."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(engine.detectors.__path__)))


def load_detector(name: str) -> Any:
    """Return the module of detector `name`; an unknown one raises ConfigError."""
    if name not in detector_names():
        raise ConfigError(f"drift detector {name!r} is not known{nearest(name, detector_names())}")
    return importlib.import_module(f"engine.detectors.{name}")
