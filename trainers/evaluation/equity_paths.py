"""Cumulative R as trades are left: all of them, the accepted, and as many drawn at random."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from trainers.dataset import Dataset

POINTS_MAX = 400
RANDOM_DRAWS = 200
_BAND = (0.05, 0.95)

Floats = NDArray[np.float64]


class EquityPaths(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cumulative net R, of one unit of risk per trade, at `exit_ts` (UTC ns, ascending).

    `random_*` are the mean and the 5 and 95 % points of `draws` seeded draws of as many signals
    as were accepted. `share_of_random_below`: the share of the draws that end below `accepted`,
    those that end level counting half; None where every signal or none is accepted, for then
    they all are the same.
    """

    exit_ts: tuple[int, ...]
    everything: tuple[float, ...]
    accepted: tuple[float, ...]
    random_mean: tuple[float, ...]
    random_low: tuple[float, ...]
    random_high: tuple[float, ...]
    draws: int
    share_of_random_below: float | None


def equity_paths(
    outcomes: Dataset, probability: Floats, threshold: float, *, seed: int
) -> EquityPaths | None:
    """Return the three paths; None without outcomes.

    A path has one point for each instant at which trades are left, the last always among them,
    thinned evenly to POINTS_MAX.
    """
    count = len(outcomes)
    if not count:
        return None
    order = np.argsort(outcomes.exit_ts, kind="stable")
    exits, earned = outcomes.exit_ts[order], outcomes.r_multiple[order]
    taken = (probability >= threshold)[order]
    ends = _thinned(np.append(np.flatnonzero(np.diff(exits)), count - 1))
    begins = np.append(0, ends[:-1] + 1)
    accepted = _path(np.where(taken, earned, 0.0), begins)
    random = _random_paths(earned, int(taken.sum()), begins, seed)
    low, high = np.quantile(random, _BAND, axis=0)
    return EquityPaths(
        exit_ts=tuple(exits[ends].tolist()),
        everything=tuple(_path(earned, begins).tolist()),
        accepted=tuple(accepted.tolist()),
        random_mean=tuple(random.mean(axis=0).tolist()),
        random_low=tuple(low.tolist()),
        random_high=tuple(high.tolist()),
        draws=RANDOM_DRAWS,
        share_of_random_below=(
            None if taken.all() or not taken.any() else _share_below(random[:, -1], accepted[-1])
        ),
    )


def _random_paths(earned: Floats, accepted: int, begins: NDArray[np.int64], seed: int) -> Floats:
    """Paths of `accepted` trades drawn without replacement, float64[draws, points]."""
    rng = np.random.default_rng(seed)
    segment = np.repeat(np.arange(begins.size), np.diff(np.append(begins, earned.size)))
    paths = np.empty((RANDOM_DRAWS, begins.size))
    for path in paths:
        rows = rng.choice(earned.size, accepted, replace=False, shuffle=False)
        path[:] = np.bincount(segment[rows], weights=earned[rows], minlength=begins.size)
    summed: Floats = np.cumsum(paths, axis=1)
    return summed


def _path(earned: Floats, begins: NDArray[np.int64]) -> Floats:
    path: Floats = np.cumsum(np.add.reduceat(earned, begins))
    return path


def _thinned(ends: NDArray[np.int64]) -> NDArray[np.int64]:
    if ends.size <= POINTS_MAX:
        return ends
    places = np.linspace(0, ends.size - 1, POINTS_MAX).round().astype(np.int64)
    return ends[places]


def _share_below(values: Floats, value: float) -> float:
    return float(np.mean(values < value) + np.mean(values == value) / 2.0)
