"""What a calibration is: a smooth, rising map from a margin to a probability.

It is fitted on out-of-fold margins, never turns a margin round and never jumps, so it keeps the
learner's ranking. `figures` go on the model card; their names tell the method: `a` and `b` are
beta's, `knots` isotonic's, a slope and an intercept alone Platt's.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trainers.graph import OUTPUT_NAME, Graph

PROBABILITY_MIN = 2.0**-23
"""The least that is ever said, and what is left to 1: both are float32 values."""


class Calibration(Protocol):
    """A fitted map from margins to probabilities."""

    @property
    def name(self) -> str:
        """The method: platt, beta or isotonic."""
        ...

    @property
    def rows(self) -> int:
        """The number of samples that it was fitted on."""
        ...

    def probability(self, margin: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated probabilities of margins [n], float64[n] in (0, 1)."""
        ...

    def add_probability(self, graph: Graph, margin: str, output: str = OUTPUT_NAME) -> str:
        """Add nodes that turn `margin` float32[n, 1] into probabilities float32[n, 1].

        Returns the name of the tensor that holds them: `output`, or a counted one for "".
        """
        ...

    def figures(self) -> dict[str, float]:
        """Return what it is made of, for the model card."""
        ...


def sigmoid(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(-value)) without overflow.

    >>> sigmoid(np.array([-1000.0, 0.0])).tolist()
    [0.0, 0.5]
    """
    small = np.exp(-np.abs(value))
    result: NDArray[np.float64] = np.where(value >= 0, 1.0, small) / (1.0 + small)
    return result


def inside(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities held off 0 and 1 by PROBABILITY_MIN."""
    held: NDArray[np.float64] = np.clip(probability, PROBABILITY_MIN, 1.0 - PROBABILITY_MIN)
    return held


def base_rate(y: NDArray[np.int8], weights: NDArray[np.float64]) -> float:
    """Return the weighted share of ones, one sample of each class added: always in (0, 1)."""
    scaled = weights / weights.mean() if weights.size else weights
    return float((np.dot(scaled, y) + 1.0) / (scaled.sum() + 2.0))


def smoothed_targets(y: NDArray[np.int8], scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the targets of Platt (1999), a little off 0 and 1, float64[n].

    `scaled` are weights of mean 1.
    """
    ones, zeros = float(np.dot(scaled, y)), float(np.dot(scaled, 1 - y))
    targets: NDArray[np.float64] = np.where(
        y == 1, (ones + 1.0) / (ones + 2.0), 1.0 / (zeros + 2.0)
    )
    return targets
