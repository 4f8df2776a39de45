"""The Brier score and what it is made of.

Over the bins of the reliability: score = reliability - resolution + uncertainty + within_bins
(Murphy 1973; Stephenson, Coelho and Jolliffe 2008 for what is within a bin).
"""

import msgspec

from trainers.evaluation.figure import Figure


class Brier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mean squared distance of the probabilities from the outcomes.

    `null` is that of the constant, `gain` null - score. `reliability`: by how much the bins miss,
    0 is best. `resolution`: how far the bins' outcomes differ, higher is better. `uncertainty`:
    the variance of the outcomes. None without outcomes.
    """

    score: float | None
    null: float | None
    gain: Figure
    reliability: float | None
    resolution: float | None
    uncertainty: float | None
    within_bins: float | None
