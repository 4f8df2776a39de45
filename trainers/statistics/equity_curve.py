"""Equity by instant: what a portfolio is worth, and the returns that are read from it.

A curve that falls to RUINED_AT of its start, or below, is ruined: from that instant on it is held
at zero, its return there is -1, and later returns are 0, for nothing is left to trade with.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from streams.errors import DataError

DAY_NS = 86_400_000_000_000
RUINED_AT = 1e-12
"""What is left of a fortune when nothing is left of it; returns on less are no figures."""
YEAR_NS = 31_557_600_000_000_000  # 365.25 days

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class EquityCurve:
    """Equity at n >= 1 instants, the first of them before anything was traded.

    `ts` int64 (n,), UTC nanoseconds, ascending; `equity` float64 (n,) in account currency, the
    first value above 0; `gross_exposure` float64 (n,) >= 0, the sum of the absolute values of the
    open positions, and `traded` float64 (n,) >= 0, the value bought and sold since the instant
    before, in the same currency. Raises DataError for anything else, NaN included.
    """

    ts: Ints
    equity: Floats
    gross_exposure: Floats
    traded: Floats

    def __post_init__(self) -> None:
        for name in ("equity", "gross_exposure", "traded"):
            column = getattr(self, name)
            if column.shape != self.ts.shape or column.ndim != 1:
                raise DataError(
                    f"{name} must have one value per instant, shape {self.ts.shape}, was "
                    f"{column.shape}"
                )
            bad = np.flatnonzero(~np.isfinite(column))
            if bad.size:
                raise DataError(
                    f"{name} must be finite, was {column[bad[0]]} at row {bad[0]}: "
                    "carry the last known value forward"
                )
        if not self.ts.size or self.equity[0] <= 0.0:
            raise DataError(
                f"an equity curve begins with a value above 0, was {self.equity[:1]}: give the "
                "capital before the first trade as its first row"
            )
        if (np.diff(self.ts) <= 0).any():
            row = int(np.flatnonzero(np.diff(self.ts) <= 0)[0]) + 1
            raise DataError(f"ts must ascend, row {row} does not: sort the instants, each once")
        if (self.gross_exposure < 0.0).any() or (self.traded < 0.0).any():
            raise DataError("gross_exposure and traded must be >= 0: add absolute values")

    def __len__(self) -> int:
        return len(self.ts)

    @cached_property
    def is_ruined(self) -> bool:
        """Whether nothing was ever left of the equity."""
        return bool(self._is_gone.any())

    @cached_property
    def values(self) -> Floats:
        """The equity, held at 0 from ruin on: float64 (n,)."""
        return np.where(np.logical_or.accumulate(self._is_gone), 0.0, self.equity)

    @property
    def _is_gone(self) -> NDArray[np.bool_]:
        return np.asarray(self.equity <= RUINED_AT * self.equity[0])

    @cached_property
    def returns(self) -> Floats:
        """Simple returns from one instant to the next, float64 (n - 1,), -1 at ruin."""
        before, after = self.values[:-1], self.values[1:]
        alive = before > 0.0
        returns = np.zeros(before.size)
        returns[alive] = after[alive] / before[alive] - 1.0
        return returns

    @property
    def years(self) -> float:
        """The time from the first instant to the last, in years of 365.25 days."""
        return float(self.ts[-1] - self.ts[0]) / YEAR_NS

    @property
    def periods_per_year(self) -> float:
        """How many periods the instants themselves hold per calendar year; 0 for a single row.

        (n - 1) / years: about 252 for daily bars of a stock exchange, 365 for those of a market
        that never closes. A curve of a few rows gives a rough figure.
        """
        return (len(self) - 1) / self.years if len(self) > 1 else 0.0


def equity_curve(
    ts: Ints, equity: Floats, gross_exposure: Floats | None = None, traded: Floats | None = None
) -> EquityCurve:
    """Return a curve; what is not given was 0 throughout. Errors as EquityCurve."""
    values = np.asarray(equity, dtype=np.float64)
    nothing = np.zeros(values.shape)
    return EquityCurve(
        np.asarray(ts, dtype=np.int64),
        values,
        nothing if gross_exposure is None else np.asarray(gross_exposure, dtype=np.float64),
        nothing if traded is None else np.asarray(traded, dtype=np.float64),
    )
