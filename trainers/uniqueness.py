"""How much of its own news a sample carries: weights for overlapping, clustered labels.

Two open trades of one symbol share the same price path, and hundreds of signals of one day share
the same market: the effective sample size is days, not rows. A sample's weight is its average
uniqueness over its label span (Lopez de Prado 2018, chapter 4) among the samples of its symbol,
divided by the number of signals of its day.
"""

import numpy as np
from numpy.typing import NDArray


def average_uniqueness(
    start_ts: NDArray[np.int64], end_ts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the mean of 1 / concurrency over each span [start, end], float64[n] in (0, 1].

    Time is counted in the instants at which some span begins or ends.

    >>> spans = np.array([0, 0, 10]), np.array([5, 5, 12])
    >>> average_uniqueness(*spans).tolist()
    [0.5, 0.5, 1.0]
    """
    instants = np.unique(np.concatenate((start_ts, end_ts)))
    first = np.searchsorted(instants, start_ts)
    last = np.searchsorted(instants, end_ts)
    steps = np.zeros(instants.size + 1)
    np.add.at(steps, first, 1.0)
    np.add.at(steps, last + 1, -1.0)
    concurrency = np.cumsum(steps[:-1])
    total = np.concatenate(([0.0], np.cumsum(1.0 / np.maximum(concurrency, 1.0))))
    mean: NDArray[np.float64] = (total[last + 1] - total[first]) / (last - first + 1)
    return mean


def sample_weights(
    symbols: NDArray[np.str_],
    days: NDArray[np.int64],
    start_ts: NDArray[np.int64],
    end_ts: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return one weight per sample, float64[n] > 0 with mean 1."""
    if symbols.size == 0:
        return np.empty(0)
    weights = per_symbol_uniqueness(symbols, start_ts, end_ts) / per_day(days)
    scaled: NDArray[np.float64] = weights / weights.mean()
    return scaled


def per_symbol_uniqueness(
    symbols: NDArray[np.str_], start_ts: NDArray[np.int64], end_ts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return each sample's average uniqueness among those of its symbol, float64[n] in (0, 1]."""
    unique = np.empty(symbols.size)
    for symbol in np.unique(symbols):
        rows = symbols == symbol
        unique[rows] = average_uniqueness(start_ts[rows], end_ts[rows])
    return unique


def per_day(days: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of samples of each sample's day, int64[n] >= 1.

    >>> per_day(np.array([3, 3, 4])).tolist()
    [2, 2, 1]
    """
    _, day_of, counts = np.unique(days, return_inverse=True, return_counts=True)
    found: NDArray[np.int64] = counts[day_of]
    return found
