"""The input guard: whether a row looks like those that a model was trained on.

Each column has a centre (its median) and a scale (how far its values usually reach from there),
z = |x - centre| / scale. Two looks at a row:

    peak    the largest z of all columns: one value far out
    spread  the mean z: many values a little out, together

distance = max(peak / peak_limit, spread / spread_limit); a row is accepted when it is <= 1.

The limits are conformal, whatever the distribution is: each training row is measured by the
others, so that a new row from the same distribution is rejected with a probability of about
`budget`, and no more in the mean over models. Source: Vovk (2015), "Cross-conformal predictors".
"""

import math
from typing import Annotated, NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.row_kernels import load_row_kernels
from streams.errors import ModelError, ModelRefused

BUDGET = 0.01

# Financial columns differ in their tails. A scale taken this far out gives each of them the same
# say in the peak; a quartile would leave the peak to the column with the heaviest tail.
_REACH = 0.95
_CONSTANT_MARGIN = 1e-6

# Rows look more like a shape that was made of them than new rows will: measured so, the limits of
# 500 rows of 40 columns let 1.6 % out instead of 1 %.
_FOLDS = 10

Floats = NDArray[np.float64]
ForKernel = tuple[Floats, Floats, Floats, float, float]
"""Centre, one over the scale, room for z, and the limits of peak and spread."""

Positive = Annotated[float, msgspec.Meta(gt=0.0)]
Scale = Annotated[float, msgspec.Meta(ge=0.1 * _CONSTANT_MARGIN)]


class InputGuard(msgspec.Struct, frozen=True):
    """Centre and scale per feature, in its unit, and the limits of peak and spread."""

    center: tuple[float, ...]
    scale: tuple[Scale, ...]
    peak_limit: Positive
    spread_limit: Positive
    budget: float = BUDGET

    def check(self, columns: int) -> None:
        """Raise ModelRefused if the guard is not one for `columns` features."""
        if len(self.center) != columns or len(self.scale) != columns:
            raise ModelRefused(
                f"the input guard covers {len(self.center)} features, the model has {columns}; "
                "train it again"
            )


class GuardedRow:
    """A guard made ready for single rows.

    `for_kernel` is what `models.row_kernels` takes of it.
    """

    def __init__(self, guard: InputGuard) -> None:
        center = np.array(guard.center, dtype=np.float64)
        per_scale = 1.0 / np.array(guard.scale, dtype=np.float64)
        self._distance = load_row_kernels().distance
        self.for_kernel: ForKernel = (
            center,
            per_scale,
            np.empty_like(center),
            guard.peak_limit,
            guard.spread_limit,
        )

    def distance(self, row: NDArray[np.float32]) -> float:
        """Return how far out `row` (k,) is: at most 1 for the rows it accepts."""
        if len(row) != len(self.for_kernel[0]):
            raise ModelError(f"the guard is for {len(self.for_kernel[0])} values, not {len(row)}")
        farthest: float = self._distance(np.asarray(row, dtype=np.float32), *self.for_kernel)
        return farthest

    def accepts(self, row: NDArray[np.float32]) -> bool:
        """Return whether `row` (k,) looks like training. A row with NaN or inf never does."""
        # NaN and inf reach the distance, and a NaN distance is not <= 1.
        return self.distance(row) <= 1.0


def fit_input_guard(rows: NDArray[np.float32], budget: float = BUDGET) -> InputGuard | None:
    """Return the guard of training rows, float32 (n, k), all finite.

    None with fewer than 1/budget - 1 rows: no finite limit can then keep the budget. Raises
    ModelError if the rows have no finite shape or `budget` is not in (0, 1).
    """
    if not 0.0 < budget < 1.0:
        raise ModelError(f"budget must be in (0, 1), was {budget}")
    values = np.asarray(rows, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape or not np.isfinite(values).all():
        raise ModelError(
            f"an input guard is fitted on finite rows (n, k), these are {values.shape} with "
            f"{int((~np.isfinite(values)).sum())} values that are not finite; leave those rows out"
        )
    rank = math.ceil((len(values) + 1) * (1.0 - budget))
    if rank > len(values):
        return None
    limit = _positive(float(np.sort(_distances_of_others(values, budget))[rank - 1]))
    shape = _Shape.of(values, budget)
    return InputGuard(
        tuple(shape.center.tolist()),
        tuple(shape.scale.tolist()),
        limit * shape.peak_unit,
        limit * shape.spread_unit,
        budget,
    )


class _Shape(NamedTuple):
    """What rows look like: centre and scale per column, and how far out one in 1/budget is."""

    center: Floats
    scale: Floats
    peak_unit: float
    spread_unit: float

    @classmethod
    def of(cls, values: Floats, budget: float) -> Self:
        center = np.median(values, axis=0)
        away = np.abs(values - center)
        scale = _scales(away, center)
        z = away * (1.0 / scale)
        # Both looks get the same share: each is measured by its own quantile before they join.
        peak, spread = (float(np.quantile(one, 1.0 - budget)) for one in _looks(z))
        return cls(center, scale, _positive(peak), _positive(spread))

    def distances(self, values: Floats) -> Floats:
        peak, spread = _looks(np.abs(values - self.center) * (1.0 / self.scale))
        result: Floats = np.maximum(peak / self.peak_unit, spread / self.spread_unit)
        return result


def _looks(z: Floats) -> tuple[Floats, Floats]:
    return z.max(axis=1), z.mean(axis=1)


def _distances_of_others(values: Floats, budget: float) -> Floats:
    """Return the distance (n,) of every row from the shape of the rows of other folds."""
    # By their values, so that it does not matter in which order they came.
    order = np.lexsort(values.T)
    distances = np.empty(len(values))
    for fold in range(_FOLDS):
        left_out = order[fold::_FOLDS]
        kept = np.delete(values, left_out, axis=0)
        distances[left_out] = _Shape.of(kept, budget).distances(values[left_out])
    return distances


def _scales(away: NDArray[np.float64], center: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each column's scale: never zero, and no smaller than what is ordinary there."""
    scale = np.quantile(away, _REACH, axis=0)
    # A rare flag sits at its centre in 95 of 100 rows: it may go as far as it was ever seen.
    widest = away.max(axis=0)
    scale = np.where(scale > 0.0, scale, widest)
    # A constant column may differ by rounding only.
    margin = _CONSTANT_MARGIN * np.maximum(1.0, np.abs(center))
    return np.maximum(scale, margin)


def _positive(value: float) -> float:
    """A limit of rows that are all alike is the scale itself."""
    return value if value > 0.0 else 1.0
