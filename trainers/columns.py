"""Which columns of the served vector a fold can use, and which of its rows."""

import numpy as np
from numpy.typing import NDArray

UNKNOWN_SHARE_MAX = 0.1


def usable_columns(x: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the columns of x[n, k] that carry something in these rows, ascending.

    Left out: constant ones, and those that would leave more than a tenth of the rows incomplete,
    the column with the fewest unknown values being taken first. To be called on training rows
    only: a column chosen by looking at test rows is a leak.
    """
    if x.shape[0] == 0:
        return np.empty(0, dtype=np.int64)
    finite = np.isfinite(x)
    low = np.where(finite, x, np.inf).min(axis=0)
    high = np.where(finite, x, -np.inf).max(axis=0)
    needed = (1.0 - UNKNOWN_SHARE_MAX) * x.shape[0]
    complete = np.ones(x.shape[0], dtype=np.bool_)
    usable = np.zeros(x.shape[1], dtype=np.bool_)
    for column in np.argsort(-finite.sum(axis=0), kind="stable"):
        left = complete & finite[:, column]
        if low[column] < high[column] and left.sum() >= needed:
            complete, usable[column] = left, True
    return np.flatnonzero(usable)


def complete_rows(x: NDArray[np.float32], columns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return the rows of x[n, k] in which every one of `columns` is finite: bool[n].

    The scorer serves no probability on a row that is not complete, so none is trained on.
    """
    return np.asarray(np.isfinite(x[:, columns]).all(axis=1))
