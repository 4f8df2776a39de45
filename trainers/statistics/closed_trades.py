"""Closed trades in columns: when each was left, and what it made."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.errors import DataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ClosedTrades:
    """k closed trades, in any order.

    `exit_ts` int64 (k,) UTC nanoseconds; `pnl_net` float64 (k,), account currency, after costs;
    `r_multiple` float64 (k,). Raises DataError for columns of other shapes and for NaN: leave
    open trades out.
    """

    exit_ts: Ints
    pnl_net: Floats
    r_multiple: Floats

    def __post_init__(self) -> None:
        for name in ("pnl_net", "r_multiple"):
            column = getattr(self, name)
            if column.shape != self.exit_ts.shape or column.ndim != 1:
                raise DataError(
                    f"{name} must have one value per trade, shape {self.exit_ts.shape}, was "
                    f"{column.shape}"
                )
            bad = np.flatnonzero(~np.isfinite(column))
            if bad.size:
                raise DataError(
                    f"{name} must be finite, was {column[bad[0]]} at trade {bad[0]}: leave out "
                    "trades that are open or whose risk is no figure"
                )

    def __len__(self) -> int:
        return len(self.exit_ts)

    @property
    def by_exit(self) -> Floats:
        """The net profits in the order of the exits, float64 (k,)."""
        ordered: Floats = self.pnl_net[np.argsort(self.exit_ts, kind="stable")]
        return ordered


def no_trades() -> ClosedTrades:
    """Return trades of which there are none."""
    nothing = np.empty(0)
    return ClosedTrades(np.empty(0, dtype=np.int64), nothing, nothing)


def longest_losing_streak(pnl: Floats) -> int:
    """Return the largest number of losses in a row; a trade that made nothing ends it.

    >>> longest_losing_streak(np.array([-1.0, 2.0, -1.0, -3.0, 0.0, -1.0]))
    2
    """
    # Distances between the trades that are no loss, the ends counted as such.
    walls = np.concatenate(([-1], np.flatnonzero(pnl >= 0.0), [pnl.size]))
    return int(np.diff(walls).max()) - 1
