"""What a feature declares about itself."""

import math
from dataclasses import dataclass

FORGOTTEN = 1e-8


@dataclass(frozen=True, slots=True)
class Feature:
    """One output of a family.

    `warm_up` is the number of bars (the current one included) before which the value is NaN.
    `convergence` is the number of bars after which it no longer depends on where the history
    began, to a relative tolerance of 1e-5: equal to `warm_up` for window features, longer for
    recursive ones. After warm-up a value is finite for every valid bar; one that is told of other
    symbols is NaN where the context has none. Its bars are the symbol's own too: as many as the
    others' windows span, so that a history that begins later says the same from there on.
    """

    name: str
    warm_up: int
    convergence: int


def window(name: str, bars: int) -> Feature:
    """Return a feature of the last `bars` bars: it has converged once it is there.

    >>> window("return_1", 2)
    Feature(name='return_1', warm_up=2, convergence=2)
    """
    return Feature(name, bars, bars)


def forgetting_bars(decay: float) -> int:
    """Return after how many bars a recursion that keeps `decay` per bar has forgotten its start.

    It has when FORGOTTEN of the start is left.

    >>> forgetting_bars(0.5)
    27
    """
    return math.ceil(math.log(FORGOTTEN) / math.log(decay))
