"""Which hyperparameters are chosen: the defaults, or the centre of the best trials.

The best of a hundred trials is the luckiest as much as the best. Its neighbours near the top err
in other ways, and the mean of their hyperparameters keeps what they agree on; it is one more
trial, and the only one that the defaults are held against.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.search_range import SearchRange
from trainers.metrics import Estimate, clustered_mean
from trainers.optimiser.search_space import SearchSpace
from trainers.tuning.fold_plan import FoldPlan
from trainers.tuning.tuning_trial import TuningTrial

TOP = 10
TOP_SHARE = 0.25
"""Of the complete trials, where they are few."""


def centre_of(trials: Sequence[TuningTrial], space: SearchSpace) -> dict[str, Any]:
    """Return the centre of the TOP complete trials of the highest value, of TOP_SHARE at most.

    Numbers are averaged, by their logarithms where they are searched so; of choices the most
    frequent is taken. A tie goes to the better trial, then to the earlier one.
    """
    complete = [one for one in trials if one.is_complete]
    best = sorted(complete, key=lambda one: (-one.value, one.number))
    top = best[: min(TOP, math.ceil(TOP_SHARE * len(best)))]
    return space.rounded(
        {one.name: _centre(one, [trial.params[one.name] for trial in top]) for one in space.ranges}
    )


def choose_trial(
    default: TuningTrial, other: TuningTrial, plan: FoldPlan, improvement_errors: float
) -> TuningTrial:
    """Return `default`, unless the other gains over it more than `improvement_errors` errors."""
    gain = paired_gain(other, default, plan)
    return other if gain.value > improvement_errors * gain.error else default


def paired_gain(trial: TuningTrial, other: TuningTrial, plan: FoldPlan) -> Estimate:
    """Return by how much one complete trial gains over another, nats, clustered by day."""
    rows = np.flatnonzero(plan.tested)
    weights = plan.weights[rows] / plan.weights[rows].mean()
    gained = (trial.gains[rows].astype(np.float64) - other.gains[rows]) * weights
    return clustered_mean(gained, plan.samples.days[rows])


def _centre(one: SearchRange, values: Sequence[Any]) -> Any:
    if one.kind == "choice":
        return Counter(values).most_common(1)[0][0]
    mean = (
        math.exp(math.fsum(map(math.log, values)) / len(values))
        if one.log
        else (math.fsum(values) / len(values))
    )
    return round(mean) if one.kind == "int" else mean
