"""Walk-forward analysis: what was selected on the past, fold by fold, and what became of it.

Before each fold the rule selects one trial on all returns before it, less the embargo; the fold
then is its future. The stitched futures are one track record that no selection has seen.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.errors import ConfigError, DataError
from trainers.statistics.performance import moments_of

PAST_ROWS_MIN = 2
FOLDS_MAX = 1_000

Floats = NDArray[np.float64]
Rule = Callable[[Floats], int]
"""Takes past returns (periods, trials), returns the number of the selected trial."""


class Fold(NamedTuple):
    """One fold: rows `first` to `end`, the trial selected on the rows before `past_end`.

    The means are annualised returns, the Sharpe ratios annualised, None where the returns do
    not vary.
    """

    first: int
    end: int
    past_end: int
    selected: int
    past_mean: float
    future_mean: float
    past_sharpe: float | None
    future_sharpe: float | None


class WalkForward(NamedTuple):
    """The folds, and `returns` float64 (k,), the stitched futures.

    `efficiency`: the mean annualised return of the futures over that of the pasts, each a mean
    over the folds; None where the pasts' is not above 0. Worth reporting, above .4 by
    convention; what decides is `t_statistic`, of the mean of the stitched returns, None where
    they do not vary.
    """

    folds: tuple[Fold, ...]
    returns: Floats
    efficiency: float | None
    t_statistic: float | None


def highest_sharpe(past: Floats) -> int:
    """Return the trial of the highest Sharpe ratio; 0 for one that never varies, first of ties.

    >>> highest_sharpe(np.array([[0.0, 0.1, 0.2], [0.0, 0.2, 0.1], [0.0, -0.1, 0.2]]))
    2
    """
    means, deviations = past.mean(axis=0), past.std(axis=0)
    varies = deviations > 1e-9 * np.maximum(np.abs(past).max(axis=0), 1e-300)
    return int(np.where(varies, means / np.where(varies, deviations, 1.0), 0.0).argmax())


def walk_forward_analysis(
    returns: Floats,
    edges: Sequence[int],
    *,
    periods_per_year: float,
    embargo: int = 0,
    rule: Rule = highest_sharpe,
) -> WalkForward:
    """Select on the past of each fold and stitch the futures together.

    `returns` float64 (periods, trials); fold k is the rows from `edges[k]` to `edges[k + 1]`;
    the last `embargo` rows before a fold are not looked at. Raises ConfigError for edges that do
    not ascend within the rows or leave fewer than PAST_ROWS_MIN rows before the first fold,
    DataError for NaN.
    """
    values = _checked(returns, edges, embargo, periods_per_year)
    folds, futures = [], []
    for first, end in itertools.pairwise(edges):
        past_end = first - embargo
        selected = int(rule(values[:past_end]))
        past, future = values[:past_end, selected], values[first:end, selected]
        futures.append(future)
        folds.append(
            Fold(
                first=first,
                end=end,
                past_end=past_end,
                selected=selected,
                past_mean=float(past.mean()) * periods_per_year,
                future_mean=float(future.mean()) * periods_per_year,
                past_sharpe=_annual_sharpe(past, periods_per_year),
                future_sharpe=_annual_sharpe(future, periods_per_year),
            )
        )
    stitched = np.concatenate(futures)
    sharpe = moments_of(stitched).sharpe
    return WalkForward(
        tuple(folds),
        stitched,
        efficiency_of([f.past_mean for f in folds], [f.future_mean for f in folds]),
        None if sharpe is None else sharpe * stitched.size**0.5,
    )


def efficiency_of(past: Sequence[float], future: Sequence[float]) -> float | None:
    """Return the mean of the futures over that of the pasts, annualised returns of the selected.

    None where there is none, or the pasts' mean is not above 0.

    >>> efficiency_of([0.2, 0.3], [0.1, 0.1])
    0.4
    """
    if not past or not np.mean(past) > 0.0:
        return None
    return float(np.mean(future) / np.mean(past))


def _annual_sharpe(returns: Floats, periods_per_year: float) -> float | None:
    sharpe = moments_of(returns).sharpe
    return None if sharpe is None else sharpe * float(periods_per_year**0.5)


def _checked(
    returns: Floats, edges: Sequence[int], embargo: int, periods_per_year: float
) -> Floats:
    values = np.asarray(returns, dtype=np.float64)
    if values.ndim != 2 or not values.shape[1]:
        raise DataError(f"returns must have one column per trial, was of shape {values.shape}")
    if not np.isfinite(values).all():
        raise DataError("returns must be finite: a trial without a position has a return of 0")
    if not periods_per_year > 0.0:
        raise ConfigError(f"periods_per_year must be above 0, was {periods_per_year}")
    if embargo < 0:
        raise ConfigError(f"embargo must be 0 periods or more, was {embargo}")
    if not 2 <= len(edges) <= FOLDS_MAX + 1 or (np.diff(edges) <= 0).any():
        raise ConfigError(f"edges must ascend and make 1 to {FOLDS_MAX} folds, was {edges}")
    if edges[0] - embargo < PAST_ROWS_MIN or edges[-1] > len(values):
        raise ConfigError(
            f"edges must leave {PAST_ROWS_MIN} rows before the first fold and its embargo of "
            f"{embargo}, and end by row {len(values)}, was {edges}"
        )
    return values
