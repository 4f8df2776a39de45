"""What detectors watch: a number of each prediction and its outcome, by name.

All of them rise when the model worsens, but for `residual`: it holds the prediction and the
outcome themselves, for detectors that weigh one against the other.

- `error`: 1.0 where the likelier side was wrong, else 0.0;
- `brier`: (p − y)², in [0, 1];
- `rank_residual`: .65 (y − p̄)(½ − u), where u is the rank of p among the reference predictions
  and p̄ their mean: positive where high ranks lose and low ranks win;
- `residual`: y − p, in (−1, 1), never 0: y is 1 where it is positive.

>>> from engine.drift.detector import Reference
>>> make_stream("brier", Reference([0.5]))(0.75, 1)
0.0625
"""

from collections.abc import Callable

from engine.drift.detector import Reference, clipped
from streams.errors import ConfigError
from streams.strict import nearest

OutcomeStream = Callable[[float, int], float]

DECISION = 0.5
RANK_RESIDUAL_SCALE = 0.65


def error(probability: float, outcome: int) -> float:
    """Return 1.0 when the likelier side was wrong, else 0.0; at one half the side is 1."""
    return float((probability >= DECISION) != (outcome == 1))


def brier(probability: float, outcome: int) -> float:
    """Return the squared error of the probability."""
    return (probability - outcome) ** 2


def residual(probability: float, outcome: int) -> float:
    """Return outcome less probability, which is held off 0 and 1."""
    return outcome - clipped(probability)


def prediction_of(residual: float) -> tuple[float, int]:
    """Return the probability and the outcome that a value of `residual` was made of.

    >>> prediction_of(-0.25)
    (0.25, 0)
    """
    outcome = int(residual > 0.0)
    return clipped(outcome - residual), outcome


def _rank_residual(reference: Reference) -> OutcomeStream:
    mean = reference.mean_probability

    def rank_residual(probability: float, outcome: int) -> float:
        return RANK_RESIDUAL_SCALE * (outcome - mean) * (0.5 - reference.rank(probability))

    return rank_residual


# Lowest and highest value of each stream.
RANGES = {
    "error": (0.0, 1.0),
    "brier": (0.0, 1.0),
    "rank_residual": (-0.5 * RANK_RESIDUAL_SCALE, 0.5 * RANK_RESIDUAL_SCALE),
    "residual": (-1.0, 1.0),
}

STREAMS: dict[str, Callable[[Reference], OutcomeStream]] = {
    "error": lambda _: error,
    "brier": lambda _: brier,
    "rank_residual": _rank_residual,
    "residual": lambda _: residual,
}


def make_stream(name: str, reference: Reference) -> OutcomeStream:
    """Return stream `name` of a model with this reference; an unknown one raises ConfigError."""
    if name not in STREAMS:
        raise ConfigError(f"outcome stream {name!r} is not known{nearest(name, STREAMS)}")
    return STREAMS[name](reference)
