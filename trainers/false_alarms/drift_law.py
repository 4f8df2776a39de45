"""What may become of a model: how likely its signals are to win, given what it says of them."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

LEVEL_SHIFT = -0.35

NONE = "none"
LOSS = "loss"
REVERSAL = "reversal"
HALF = "half"
LEVEL = "level"

DRIFTS = {
    LOSS: "loss of all skill",
    REVERSAL: "reversal",
    HALF: "half the skill lost",
    LEVEL: "level down by .35",
}
"""The drifts there are, in words. The last is for the calibration channel, the others for ranking.
"""

Floats = NDArray[np.float64]


def true_probability(said: Floats, law: str) -> Floats:
    """Return the probability of a win where a model says `said`, under a law; both [n].

    `none`: as it says. `loss`: the mean of all, whatever it says. `reversal`, `half`: log-odds
    reversed around their mean, or half as far from it. `level`: log-odds less .35.

    >>> true_probability(np.array([0.25, 0.75]), "reversal").round(12).tolist()
    [0.75, 0.25]
    """
    if law == NONE:
        return said
    if law == LOSS:
        return np.full(said.size, said.mean())
    log_odds = logit(said)
    centre = log_odds.mean()
    if law == LEVEL:
        shifted: Floats = expit(log_odds + LEVEL_SHIFT)
        return shifted
    slope = {REVERSAL: -1.0, HALF: 0.5}[law]
    bent: Floats = expit(centre + slope * (log_odds - centre))
    return bent
