"""Drift detectors by name: each file under `engine/detectors/` is one, its file name its config
name.

A detector watches one stream of numbers that it is fed one by one; the interface is river's, so
that ours work where river's do. What its module holds:

- `CHANNEL`: what its alarm means, ranking or calibration;
- `STREAMS`: the streams of `engine/drift/outcome_stream.py` that it suits, its usual one first;
- `CLUSTERED`: whether it is to be given the outcomes of concurrent trades together, by
  `update_many`;
- `HAS_BUDGET`: whether its threshold is the mean number of outcomes to a false alarm;
- `DEFAULT_THRESHOLDS`: by stream, where it has no budget. The higher, the rarer its alarms;
- `make(threshold, reference, stream) -> Detector`.

Its river imports stay inside `make`: importing river costs 150 MiB, and the e-detectors do not
need it.
"""

import bisect
import importlib
import math
import pkgutil
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import engine.detectors
from streams.errors import ConfigError
from streams.strict import nearest

PROBABILITY_MIN = 1e-6
SEPARATOR = ":"


class Detector(Protocol):
    """Watches one stream of one model, one value at a time, in order.

    `statistic` is compared with `threshold`. `drift_detected` is true on the update that alarms;
    the detector starts anew on the update after. `warning_detected` is true while the statistic is
    suspicious. `outcomes_since_change` counts the values since the estimated changepoint.
    """

    statistic: float
    threshold: float
    drift_detected: bool
    warning_detected: bool
    outcomes_since_change: int

    def update(self, x: float) -> None:
        """Take the next value of its stream; one that is no number is passed over."""
        ...

    def save(self) -> dict[str, Any]:
        """Return its state, of what MessagePack can hold."""
        ...

    def load(self, saved: dict[str, Any]) -> None:
        """Go on from what one made alike has saved, bit for bit."""
        ...


class ClusteredDetector(Detector, Protocol):
    """One that takes the outcomes of concurrent trades together."""

    def update_many(self, xs: Sequence[float]) -> None:
        """Take one cluster; a cluster of one is an `update`, an empty one nothing."""
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
        self.probabilities = tuple(sorted(probabilities))
        self.mean_log_odds = math.fsum(map(log_odds, self.probabilities)) / len(probabilities)
        self.mean_probability = math.fsum(self.probabilities) / len(probabilities)

    def rank(self, probability: float) -> float:
        """Return the share of the reference below `probability`, ties counting half: 0 to 1."""
        below = bisect.bisect_left(self.probabilities, probability)
        upto = bisect.bisect_right(self.probabilities, probability)
        return (below + upto) / (2.0 * len(self.probabilities))


class Named(NamedTuple):
    """A detector as configuration names it: `name` is its file, `stream` what it watches."""

    name: str
    stream: str
    module: Any

    @property
    def default_threshold(self) -> float | None:
        """The threshold without a budget; None where the budget gives it."""
        threshold: float | None = self.module.DEFAULT_THRESHOLDS.get(self.stream)
        return threshold


def parse_detector(text: str) -> Named:
    """Return the detector of `slope` or `page_hinkley:brier`.

    Raises ConfigError for a detector that is not known or a stream that it does not suit.
    """
    name, separator, stream = text.partition(SEPARATOR)
    module = load_detector(name)
    if not separator:
        stream = module.STREAMS[0]
    if stream not in module.STREAMS:
        raise ConfigError(
            f"drift detector {name!r} does not suit the stream {stream!r} (in {text!r})"
            f"{nearest(stream, module.STREAMS)}"
        )
    return Named(name, stream, module)


def detector_names() -> tuple[str, ...]:
    """Return the names of all detectors, sorted."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(engine.detectors.__path__)))


def load_detector(name: str) -> Any:
    """Return the module of detector `name`; an unknown one raises ConfigError."""
    if name not in detector_names():
        raise ConfigError(f"drift detector {name!r} is not known{nearest(name, detector_names())}")
    return importlib.import_module(f"engine.detectors.{name}")


def log_odds(probability: float) -> float:
    """Return log(p / (1 − p)), p held within PROBABILITY_MIN of 0 and 1."""
    p = clipped(probability)
    return math.log(p / (1.0 - p))


def clipped(probability: float) -> float:
    """Return `probability` held within PROBABILITY_MIN of 0 and 1."""
    return min(max(probability, PROBABILITY_MIN), 1.0 - PROBABILITY_MIN)
