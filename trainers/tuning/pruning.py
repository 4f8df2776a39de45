"""When a trial is not worth its other folds.

A trial is given up after a fold where three quarters of the complete trials had gained more on
the very same samples: folds differ in difficulty, so that trials are compared on equal ones only.
Half of them, as Vizier's median rule has it (Golovin et al. 2017), gives up in small samples what
later folds would have shown to be good.
"""

import math
from collections.abc import Sequence

import numpy as np

from trainers.tuning.tuning_trial import GiveUp, TuningTrial

QUANTILE = 0.25
COMPLETE_MIN = 10
"""With fewer complete trials none is given up."""
FOLDS_SHARE = 0.5
"""Of the folds before a trial is first compared: one or two of five say little."""


def give_up_rule(told: Sequence[TuningTrial]) -> GiveUp:
    """Return the rule for a trial that begins when the `told` ones are known."""
    complete = [trial.steps for trial in told if trial.is_complete]
    if len(complete) < COMPLETE_MIN:
        return never
    least = np.quantile(complete, QUANTILE, axis=0)
    first = math.ceil(FOLDS_SHARE * len(least))

    def is_behind(steps: Sequence[float]) -> bool:
        return len(steps) >= first and steps[-1] < float(least[len(steps) - 1])

    return is_behind


def never(steps: Sequence[float]) -> bool:
    """Give no trial up."""
    return False
