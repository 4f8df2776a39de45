"""What is accepted at a threshold, and what that earns against taking every signal."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from trainers.dataset import Dataset
from trainers.evaluation.figure import (
    NO_OUTCOMES,
    ONE_DAY,
    Figure,
    figure_of,
    mean_figure,
    share_figure,
    unknown,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Acceptance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The accepted signals, those of a probability of `threshold` or more, against all.

    R is net of costs. `precision`: the share of the accepted whose label is 1; `recall`: the
    share of such labels that were accepted. A hit is R above 0. `hit_rate_gain` and `mean_r_gain`
    are of the accepted less all. `utility_r`: net R per signal, accepted or not, of taking the
    accepted; `utility_gain_r`: that less the net R per signal of taking all.
    """

    threshold: float
    accepted: int
    share: float | None
    precision: Figure
    recall: Figure
    hit_rate: Figure
    hit_rate_all: Figure
    hit_rate_gain: Figure
    mean_r: Figure
    mean_r_all: Figure
    mean_r_gain: Figure
    utility_r: Figure
    utility_gain_r: Figure


def acceptance(outcomes: Dataset, probability: Floats, threshold: float) -> Acceptance:
    """Return what `probability` float64[n] accepts of the outcomes at `threshold`."""
    taken: Mask = probability >= threshold
    days, earned, hits = outcomes.days, outcomes.r_multiple, outcomes.r_multiple > 0.0
    good = outcomes.y == 1
    nothing = f"no signal has a probability of {threshold:g} or more" if good.size else NO_OUTCOMES
    none = unknown(nothing)
    any_taken = bool(taken.any())
    return Acceptance(
        threshold=threshold,
        accepted=int(taken.sum()),
        share=float(taken.mean()) if taken.size else None,
        precision=share_figure(good[taken], days[taken]) if any_taken else none,
        recall=share_figure(taken[good], days[good]) if good.any() else unknown("no label is 1"),
        hit_rate=share_figure(hits[taken], days[taken]) if any_taken else none,
        hit_rate_all=share_figure(hits, days),
        hit_rate_gain=_gain(hits.astype(np.float64), taken, days) if any_taken else none,
        mean_r=mean_figure(earned[taken], days[taken]) if any_taken else none,
        mean_r_all=mean_figure(earned, days),
        mean_r_gain=_gain(earned, taken, days) if any_taken else none,
        utility_r=mean_figure(np.where(taken, earned, 0.0), days),
        utility_gain_r=utility_gain(outcomes, probability, threshold),
    )


def utility_gain(outcomes: Dataset, probability: Floats, threshold: float) -> Figure:
    """Return the net R per signal of taking the accepted, less that of taking all."""
    return mean_figure(np.where(probability >= threshold, 0.0, -outcomes.r_multiple), outcomes.days)


def _gain(values: Floats, taken: Mask, days: Ints) -> Figure:
    """The mean over the taken less that over all."""
    of_taken, of_all = float(values[taken].mean()), float(values.mean())
    influence = -(values - of_all) / values.size
    influence[taken] += (values[taken] - of_taken) / taken.sum()
    if np.unique(days[taken]).size < 2:
        return Figure(of_taken - of_all, reason=ONE_DAY)
    return figure_of(of_taken - of_all, influence, days)
