"""One set of hyperparameters, tried on the folds of a plan, one fold after the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from trainers.tuning.fold_plan import FoldPlan, fold_margin
from trainers.tuning.trial_score import score_margins

Floats = NDArray[np.float64]
GiveUp = Callable[[Sequence[float]], bool]
"""Takes the values after each fold so far, and says whether to give a trial up."""


@dataclass(frozen=True, slots=True)
class TuningTrial:
    """A trial that was finished, or given up before its last fold ("pruned").

    `steps` are the values after each fold, of all that was predicted until then. `margins`
    float64[n] are out of fold, `gains` float32[n] nats over the null, calibrated: NaN for samples
    that no fold predicts, and everywhere in a pruned trial.
    """

    number: int
    params: dict[str, Any]
    state: Literal["complete", "pruned"]
    steps: tuple[float, ...]
    margins: Floats
    gains: NDArray[np.float32]

    @property
    def is_complete(self) -> bool:
        """Whether every fold was tried."""
        return self.state == "complete"

    @property
    def value(self) -> float:
        """The weighted mean gain over the null, nats per sample, of what was predicted."""
        return self.steps[-1]


def run_trial(
    plan: FoldPlan,
    learner: str,
    params: msgspec.Struct,
    number: int,
    *,
    seed: int,
    give_up: GiveUp,
) -> TuningTrial:
    """Try `params` on the folds, in their order, until `give_up` says so.

    In a walk-forward the first folds are the cheapest, and tell the most: measured at 2,000
    samples, what three of five had gained correlated with the whole by .87 from the first on, by
    .72 from the last back.
    """
    total, count = np.zeros(len(plan.samples)), np.zeros(len(plan.samples))
    steps: list[float] = []
    known = msgspec.structs.asdict(params)
    for done, fold in enumerate(plan.folds, start=1):
        total[fold.test] += fold_margin(fold, learner, params, seed=seed, threads=1)
        count[fold.test] += 1
        rows = np.flatnonzero(count)
        score = score_margins(total[rows] / count[rows], plan.samples.y[rows], plan.weights[rows])
        steps.append(score.value)
        if done < len(plan.folds) and give_up(steps):
            return pruned_trial(plan, number, known, steps)
    margins = np.full(total.size, np.nan)
    margins[rows] = total[rows] / count[rows]
    return complete_trial(plan, number, known, steps, margins)


def pruned_trial(
    plan: FoldPlan, number: int, params: dict[str, Any], steps: Sequence[float]
) -> TuningTrial:
    """Return a trial that was given up after `steps`."""
    nothing = np.full(len(plan.samples), np.nan)
    return TuningTrial(number, params, "pruned", tuple(steps), nothing, nothing.astype(np.float32))


def complete_trial(
    plan: FoldPlan, number: int, params: dict[str, Any], steps: Sequence[float], margins: Floats
) -> TuningTrial:
    """Return a trial that gave `margins` float64[n]."""
    rows = np.flatnonzero(plan.tested)
    gains = np.full(margins.size, np.nan, dtype=np.float32)
    gains[rows] = score_margins(margins[rows], plan.samples.y[rows], plan.weights[rows]).gains
    return TuningTrial(number, params, "complete", tuple(steps), margins, gains)
