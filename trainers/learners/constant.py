"""The null model: no margin at all, so that every probability is the base rate.

It is a candidate in every selection. Where it is not beaten, no model is deployed.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from trainers.graph import Graph


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """There is nothing to set."""


DEFAULT = Params()


class Constant:
    """A margin of 0 for every row."""

    def margin(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return zeros, float64[n]."""
        return np.zeros(x.shape[0])

    def add_margin(self, graph: Graph, features: str) -> str:
        """Add 0 · Σ features: the shape comes from the input, the value does not."""
        zeros = graph.constant(np.zeros((graph.width, 1)))
        return graph.node("MatMul", features, zeros)

    def edges(self) -> list[tuple[int, float]]:
        """Return []: there is no point at which a constant jumps."""
        return []


def fit(
    x: NDArray[np.float32],
    y: NDArray[np.int8],
    weights: NDArray[np.float64],
    *,
    seed: int,
    threads: int,
    params: Params = DEFAULT,
) -> Constant:
    """Return the null model, whatever the samples are."""
    return Constant()
