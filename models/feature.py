"""What a feature declares about itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Feature:
    """One output of a family.

    `warm_up` is the number of bars (the current one included) before which the value is NaN.
    `convergence` is the number of bars after which it no longer depends on where the history
    began, to a relative tolerance of 1e-5: equal to `warm_up` for window features, longer for
    recursive ones. After warm-up a value is finite for every valid bar.
    """

    name: str
    warm_up: int
    convergence: int
