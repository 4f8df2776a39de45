"""How far each feature moves a margin: Shapley values, which add up to it.

A learner that knows its own exactly has a method `contributions(x)`: the terms of a sum, or
TreeSHAP. Those of a blend are the mean of its members'. Of any other they are sampled: on the way
from a row of the background to the row that is explained, features change over one by one in a
random order, and then in the reverse of it; a feature's value is the mean of what the margin does
as it changes over.

Source: Shapley (1953); Castro, Gomez and Tejada (2009) for the sampling; Mitchell et al. (2022) for
orders in pairs. The library `shap` does the same, but seeds the global generator of numpy.
"""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from trainers.blend import Blend
from trainers.learner import Fitted

DRAWS = 10
"""Pairs of orders for each row, each from a row of the background of its own."""

CHUNK_ROWS_MAX = 50_000
"""So many rows are put to the model at once."""

Floats = NDArray[np.float64]
Rows = NDArray[np.float32]


@runtime_checkable
class Contributing(Protocol):
    """A fitted model that knows its own contributions."""

    def contributions(self, x: Rows) -> Floats:
        """Return what each column of x[n, k] adds to the margin, float64[n, k + 1].

        The last column is the base, and the sum of a row is its margin.
        """
        ...


class Contributions(NamedTuple):
    """`values` float64[n, k] and `base` float64[n]: together, row by row, the margin."""

    values: Floats
    base: Floats
    is_exact: bool


def contributions_of(fitted: Fitted, x: Rows, background: Rows, *, seed: int) -> Contributions:
    """Return the contributions to the margins of x[n, k], beside the rows of `background`[m, k].

    The background, at least one row, is only looked at where they are sampled.
    """
    if isinstance(fitted, Contributing):
        found = fitted.contributions(x)
        return Contributions(found[:, :-1], found[:, -1], True)
    if isinstance(fitted, Blend):
        return _blended(fitted, x, background, seed)
    return _sampled(fitted, x, background, np.random.default_rng(seed))


def _blended(blend: Blend, x: Rows, background: Rows, seed: int) -> Contributions:
    values, base, is_exact = np.zeros(x.shape), np.zeros(x.shape[0]), True
    for member in blend.members:
        own = contributions_of(member.fitted, member.rows(x), member.rows(background), seed=seed)
        columns = slice(None) if member.columns is None else member.columns
        values[:, columns] += member.slope * own.values
        base += member.slope * own.base + member.intercept
        is_exact &= own.is_exact
    return Contributions(values / len(blend.members), base / len(blend.members), is_exact)


def _sampled(fitted: Fitted, x: Rows, background: Rows, rng: np.random.Generator) -> Contributions:
    count, width = x.shape
    values = np.zeros((count, width))
    chunk = max(1, CHUNK_ROWS_MAX // (2 * DRAWS * (width + 1)))
    for first in range(0, count, chunk):
        own = x[first : first + chunk]
        shape = (len(own), DRAWS, 1, width)
        order = rng.permuted(np.broadcast_to(np.arange(width), shape).copy(), axis=-1)
        begun = background[rng.integers(0, len(background), shape[:2])]
        ranks = np.argsort(np.concatenate((order, order[..., ::-1]), axis=2), axis=-1)
        # After s steps the features of rank below s have changed over: (rows, draws, 2, k + 1, k).
        is_over = ranks[..., None, :] < np.arange(width + 1)[:, None]
        path = np.where(is_over, own[:, None, None, None], begun[:, :, None, None])
        margins = fitted.margin(np.ascontiguousarray(path.reshape(-1, width)))
        moved = np.diff(margins.reshape(path.shape[:-1]), axis=-1)
        by_feature = np.take_along_axis(moved, ranks, axis=-1)
        values[first : first + chunk] = by_feature.mean(axis=(1, 2))
    return Contributions(values, fitted.margin(x) - values.sum(axis=1), False)
