"""The probability of backtest overfitting, by combinatorially symmetric cross-validation.

Bailey, Borwein, Lopez de Prado and Zhu (2015): the returns of all trials are cut into an even
number of blocks; every half of the blocks once plays the past, on which the trial of the highest
Sharpe ratio is selected, and the other half the future. PBO is the share of splits in which the
selected one falls below the median of the future.

One PBO is noisy, however many splits it is the mean of, for they share their data. Over 1000
daily returns of 50 trials in 10 blocks, one of which has merit, it is by 500 draws:

    its true annual Sharpe    0     1     2     3
    mean PBO                 .50   .42   .16   .02
    standard deviation       .17   .18   .14   .04

so a PBO is never told without its spread.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.errors import ConfigError, DataError

BLOCKS = 16
BLOCKS_MAX = 40
BLOCK_ROWS_MIN = 2
SPLITS_MAX = 12_870
"""All the splits of 16 blocks; of more blocks a seeded sample of so many is taken."""

SPREAD_RESAMPLES = 50
SPREAD_SPLITS_MAX = 500
CHUNK_VALUES_MAX = 2**20
"""How many Sharpe ratios are held at once."""

_POINT_95 = 1.645
_VARIANCE_MIN = 1e-14
_SHARPE_DECIMALS = 12
"""Trials that trade alike tie, whatever order a sum was rounded in."""

Floats = NDArray[np.float64]


class Overfitting(NamedTuple):
    """What the splits say; m of them.

    `pbo` in [0, 1]; `error`, its standard error, and `low` and `high`, its 5 % and 95 % points
    (see `estimate_pbo`). `logits` float64 (m,), log-odds of the selected trial's rank in the
    future, in the order of the splits. `slope` of the future on the past Sharpe ratio of the
    selected trials, below 0 where the better past has the worse future, None where the past
    does not vary. `probability_of_loss`, the share of splits with a loss in the future.
    """

    pbo: float
    error: float
    low: float
    high: float
    logits: Floats
    slope: float | None
    probability_of_loss: float
    trials: int
    blocks: int


class _Blocks(NamedTuple):
    """Per block: the sums and the sums of squares of every trial (s, n), and its rows (s, 1)."""

    sums: Floats
    squares: Floats
    rows: Floats


class _Selected(NamedTuple):
    """Per split, of the trial that won the past: its two Sharpe ratios, and its logit."""

    past: Floats
    future: Floats
    logits: Floats


def estimate_pbo(
    returns: Floats,
    *,
    blocks: int = BLOCKS,
    seed: int = 0,
    splits_max: int = SPLITS_MAX,
    resamples: int = SPREAD_RESAMPLES,
) -> Overfitting:
    """Return the PBO of `returns` (periods, trials), all trials over the same periods.

    A trial that never varies has a Sharpe ratio of 0; trials that are equal share their rank.
    The spread is a bootstrap: the rows are drawn anew within each block, in circular runs of the
    cube root of its length, so that past and future stay apart and what lasts for some days
    stays together; each resample is judged by a seeded sample of the splits. Its error is right
    for trials without merit (.16 for .17 in the case above) and too wide for those with much
    (.09 for .04 at a Sharpe ratio of 3): resampling adds noise. The points are those of a normal
    law about `pbo`, cut at 0 and 1.

    Raises ConfigError for settings out of range, DataError for fewer than two trials, fewer
    than two rows per block, and NaN.
    """
    values = _checked(returns, blocks, splits_max, resamples)
    # About their mean, and of one size: the sums of squares then lose no digits.
    scale = np.abs(values).max(axis=0)
    values = values / np.where(scale > 0.0, scale, 1.0)
    edges = np.linspace(0, len(values), blocks + 1).astype(np.int64)
    rng = np.random.default_rng(seed)
    splits = _splits(blocks, splits_max, rng)
    selected = _select(_block_sums(values, edges), splits)
    pbo = _share_below_median(selected.logits)
    chosen = splits[np.sort(rng.permutation(len(splits))[:SPREAD_SPLITS_MAX])]
    drawn = _resampled(values, edges, resamples, rng)
    error = float(np.std([_share_below_median(_select(b, chosen).logits) for b in drawn], ddof=1))
    return Overfitting(
        pbo=pbo,
        error=error,
        low=max(0.0, pbo - _POINT_95 * error),
        high=min(1.0, pbo + _POINT_95 * error),
        logits=selected.logits,
        slope=_slope(selected.past, selected.future),
        probability_of_loss=float(np.mean(selected.future < 0.0)),
        trials=values.shape[1],
        blocks=blocks,
    )


def _checked(returns: Floats, blocks: int, splits_max: int, resamples: int) -> Floats:
    if blocks % 2 or not 2 <= blocks <= BLOCKS_MAX:
        raise ConfigError(f"blocks must be even, from 2 to {BLOCKS_MAX}, was {blocks}")
    if splits_max < 2 or resamples < 2:
        raise ConfigError(
            f"splits_max and resamples must be 2 or more, were {splits_max} and {resamples}"
        )
    values = np.asarray(returns, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 2:
        raise DataError(
            f"the PBO needs the returns of two trials or more, one per column, was {values.shape}"
        )
    if len(values) < BLOCK_ROWS_MIN * blocks:
        raise DataError(
            f"{blocks} blocks need {BLOCK_ROWS_MIN * blocks} periods or more, was {len(values)}: "
            "take fewer blocks, or more history"
        )
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise DataError(
            f"returns must be finite, was {values[row, column]} in period {row} of trial "
            f"{column}: a trial without a position has a return of 0"
        )
    return values


def _splits(blocks: int, splits_max: int, rng: np.random.Generator) -> Floats:
    """Which blocks are the past, 0 or 1, float64 (m, blocks); each split with its mirror image."""
    half = blocks // 2
    if math.comb(blocks, half) <= splits_max:
        chosen = np.array(list(itertools.combinations(range(blocks), half)))
        splits = np.zeros((len(chosen), blocks))
        np.put_along_axis(splits, chosen, 1.0, axis=1)
        return splits
    is_past = np.tile(np.arange(blocks) < half, (splits_max // 2, 1)).astype(np.float64)
    drawn = rng.permuted(is_past, axis=1)
    return np.unique(np.concatenate((drawn, 1.0 - drawn)), axis=0)


def _block_sums(values: Floats, edges: NDArray[np.int64]) -> _Blocks:
    return _Blocks(
        np.add.reduceat(values, edges[:-1], axis=0),
        np.add.reduceat(values**2, edges[:-1], axis=0),
        np.diff(edges).astype(np.float64)[:, None],
    )


def _resampled(
    values: Floats, edges: NDArray[np.int64], resamples: int, rng: np.random.Generator
) -> list[_Blocks]:
    """The blocks of resampled returns: how often each row was drawn weighs it."""
    shape = (resamples, len(edges) - 1, values.shape[1])
    sums, squares = np.empty(shape), np.empty(shape)
    for block, (first, end) in enumerate(itertools.pairwise(edges.tolist())):
        rows = end - first
        run = math.ceil(rows ** (1 / 3))
        begins = rng.integers(0, rows, (resamples, math.ceil(rows / run), 1))
        drawn = ((begins + np.arange(run)) % rows).reshape(resamples, -1)[:, :rows]
        places = (drawn + rows * np.arange(resamples)[:, None]).ravel()
        counts = np.bincount(places, minlength=resamples * rows).reshape(resamples, rows)
        part = values[first:end]
        weights = counts.astype(np.float64)
        sums[:, block], squares[:, block] = _product(weights, part), _product(weights, part**2)
    rows_of = np.diff(edges).astype(np.float64)[:, None]
    return [_Blocks(sums[k], squares[k], rows_of) for k in range(resamples)]


def _select(blocks: _Blocks, splits: Floats) -> _Selected:
    """Select the trial of the best past in every split, and see what becomes of it."""
    trials = blocks.sums.shape[1]
    chunk = max(1, CHUNK_VALUES_MAX // trials)
    parts = []
    for first in range(0, len(splits), chunk):
        past, future = (
            _sharpe(*(_product(side, column) for column in blocks))
            for side in (splits[first : first + chunk], 1.0 - splits[first : first + chunk])
        )
        every = np.arange(len(past))
        winner = past.argmax(axis=1)
        won = future[every, winner][:, None]
        # The mean rank among equals, from 1 for the worst.
        rank = (future < won).sum(axis=1) + ((future == won).sum(axis=1) + 1.0) / 2.0
        logits = np.log(rank / (trials + 1.0 - rank))
        parts.append(_Selected(past[every, winner], won[:, 0], logits))
    return _Selected(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _product(left: Floats, right: Floats) -> Floats:
    """The matrix product in one order of summation, whatever the number of threads."""
    product: Floats = np.einsum("ij,jk->ik", left, right, optimize=False)
    return product


def _sharpe(sums: Floats, squares: Floats, rows: Floats) -> Floats:
    mean = sums / rows
    variance = squares / rows - mean**2
    varies = variance > _VARIANCE_MIN
    ratios = np.where(varies, mean / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
    rounded: Floats = ratios.round(_SHARPE_DECIMALS)
    return rounded


def _share_below_median(logits: Floats) -> float:
    return float(np.mean(logits < 0.0) + np.mean(logits == 0.0) / 2.0)


def _slope(past: Floats, future: Floats) -> float | None:
    spread = past - past.mean()
    size = float((spread**2).sum())
    if size <= 1e-18 * past.size:
        return None
    return float((spread * (future - future.mean())).sum()) / size
