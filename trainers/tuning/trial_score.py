"""What out-of-fold margins are worth: the log-loss that they save, once calibrated."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.calibrators.calibrator import base_rate
from trainers.calibrators.platt import fit_platt
from trainers.metrics import log_losses

Floats = NDArray[np.float64]


class TrialScore(NamedTuple):
    """`gains` float64[n], nats per sample over the constant base rate, and their weighted mean."""

    gains: Floats
    value: float


def score_margins(margins: Floats, y: NDArray[np.int8], weights: Floats) -> TrialScore:
    """Return what finite margins[n] gain once Platt has calibrated them on these very outcomes.

    Two numbers are fitted: only the ranking and the spread of a margin count, not its scale.
    """
    probability = fit_platt(margins, y, weights).probability(margins)
    constant = np.full(y.size, base_rate(y, weights))
    gains = log_losses(y, constant) - log_losses(y, probability)
    return TrialScore(gains, float(np.average(gains, weights=weights)))
