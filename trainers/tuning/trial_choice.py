"""Which trial is chosen: the default, unless the best is better by more than luck allows."""

from collections.abc import Sequence

import numpy as np

from trainers.metrics import Estimate, clustered_mean
from trainers.tuning.fold_plan import FoldPlan
from trainers.tuning.tuning_trial import TuningTrial


def choose_trial(
    trials: Sequence[TuningTrial], plan: FoldPlan, improvement_errors: float
) -> TuningTrial:
    """Return the complete trial of the highest value, a tie going to the earlier one.

    The first, the default, is returned where the best does not gain over it more than
    `improvement_errors` standard errors of that gain.
    """
    default = trials[0]
    best = min((one for one in trials if one.is_complete), key=lambda one: (-one.value, one.number))
    gain = paired_gain(best, default, plan)
    return best if gain.value > improvement_errors * gain.error else default


def paired_gain(trial: TuningTrial, other: TuningTrial, plan: FoldPlan) -> Estimate:
    """Return by how much one complete trial gains over another, nats, clustered by day."""
    rows = np.flatnonzero(plan.tested)
    weights = plan.weights[rows] / plan.weights[rows].mean()
    gained = (trial.gains[rows].astype(np.float64) - other.gains[rows]) * weights
    return clustered_mean(gained, plan.samples.days[rows])
