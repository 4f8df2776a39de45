"""What is accepted at a threshold, and what that earns against taking every signal."""

import msgspec

from trainers.evaluation.figure import Figure


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
