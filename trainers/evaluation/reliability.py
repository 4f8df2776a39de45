"""Whether probabilities mean what they say.

The outcomes are regressed on the log-odds that were told (Cox 1958): a slope of 1 and an intercept
of 0 where they mean what they say, a slope below 1 where they say too much. The errors are those
of the sandwich, clustered by day. The level is the intercept where the slope is held at 1.

The expected calibration error is above 0 for a perfect model too, by chance alone: .07 of 300
outcomes in 10 bins. It is told beside what a perfect model shows at this number of outcomes.
"""

import msgspec

from trainers.evaluation.figure import Figure

BINS = 10


class ReliabilityBin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The outcomes of one bin: what was foretold on average, and the share that came true.

    The share's interval is clustered by day.
    """

    samples: int
    lowest: float
    highest: float
    foretold: float
    came_true: Figure


class Reliability(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How reliable the probabilities are; `ece` over the bins, which hold equally many outcomes.

    `ece_perfect` is the expectation of a perfect model's, `ece_perfect_95` what one in twenty
    perfect models exceeds, both were outcomes independent.
    """

    slope: Figure
    intercept: Figure
    level: Figure
    ece: float | None
    ece_perfect: float | None
    ece_perfect_95: float | None
    bins: tuple[ReliabilityBin, ...]
