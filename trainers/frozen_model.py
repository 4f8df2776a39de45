"""A model as whoever judges it knows it: what it says of served vectors, and since when."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class FrozenModel(Protocol):
    """A model on which nothing is fitted any more: the champion, or one in its shadow."""

    @property
    def version(self) -> str:
        """Its short name."""
        ...

    @property
    def frozen_ts(self) -> int:
        """When the last label that it was trained on was closed."""
        ...

    @property
    def learned_to_ts(self) -> int:
        """When the last signal was made that its ranking was fitted on."""
        ...

    def probability(self, x: NDArray[np.float32]) -> Floats:
        """Return its probabilities of served vectors x[n, all columns], NaN where silent."""
        ...


def or_null(probability: Floats, null: Floats) -> Floats:
    """Return what a model says; where it is silent, what the null model says. float64[n] each."""
    return np.where(np.isfinite(probability), probability, null)
