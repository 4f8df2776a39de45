"""Isotonic calibration: any rising shape, for 2,000 samples and more.

The outcomes are pooled in order of Platt's probability until their rate rises (PAVA). What that
says is averaged over at most KNOTS_MAX cells of equal weight, and a small share of Platt's own is
mixed in; between the centres of cells, and out to 0 and 1, the map is a straight line. So it never
jumps, stands still nowhere, and ties no two samples that Platt tells apart.

Cells between which the line would be steep are pooled: steepness is noise, and would magnify the
rounding of the graph's float32.
Source: Zadrozny, Elkan (2002); scikit-learn's IsotonicRegression.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from sklearn.isotonic import IsotonicRegression

from trainers.calibrators.calibrator import PROBABILITY_MIN, inside
from trainers.calibrators.platt import Platt, fit_platt
from trainers.graph import OUTPUT_NAME, Graph

KNOTS_MAX = 64
CELL_ROWS_MIN = 50
PLATT_SHARE = 0.05
STEEPNESS_MAX = 4.0
ROUNDING = 1e-9
"""Of a cell: rows in another order must not begin it elsewhere."""

Floats = NDArray[np.float64]


class Isotonic(NamedTuple):
    """probability = the line through (`at`, `says`) at `platt`'s probability.

    `at` and `says` float32[knots + 2], rising, from 0 to 1 both.
    """

    at: NDArray[np.float32]
    says: NDArray[np.float32]
    platt: Platt

    @property
    def name(self) -> str:
        """The method."""
        return "isotonic"

    @property
    def rows(self) -> int:
        """The number of samples that it was fitted on."""
        return self.platt.rows

    def probability(self, margin: Floats) -> Floats:
        """Return the calibrated probabilities, float64[n] in (0, 1)."""
        p = self.platt.probability(margin)
        mapped = np.interp(p, self.at.astype(np.float64), self.says.astype(np.float64))
        return inside(mapped)

    def add_probability(self, graph: Graph, margin: str, output: str = OUTPUT_NAME) -> str:
        """Add nodes that turn `margin` float32[n, 1] into probabilities float32[n, 1].

        The line is looked up by the last knot at or below: a sum over all lines would round more.
        """
        p = self.platt.add_probability(graph, margin, output="")
        at = graph.constant(self.at[:-1])
        reached = graph.node("Cast", graph.node("GreaterOrEqual", p, at), to=TensorProto.FLOAT)
        line = graph.node("ArgMax", reached, axis=1, keepdims=1, select_last_index=1)
        rises = np.diff(self.says.astype(np.float64)) / np.diff(self.at.astype(np.float64))
        start, base, rise = (
            graph.node("Gather", table, line)
            for table in (at, graph.constant(self.says[:-1]), graph.constant(rises))
        )
        climbed = graph.node("Mul", graph.node("Sub", p, start), rise)
        bounds = (graph.constant(np.array(p)) for p in (PROBABILITY_MIN, 1.0 - PROBABILITY_MIN))
        return graph.node("Clip", graph.node("Add", base, climbed), *bounds, output=output)

    def figures(self) -> dict[str, float]:
        """Return the number of knots and what the outer two say, beside Platt's figures."""
        ends = {"lowest_knot": float(self.says[1]), "highest_knot": float(self.says[-2])}
        return {"knots": float(self.at.size - 2)} | ends | self.platt.figures()


class _Cells(NamedTuple):
    """Neighbours in order of p: their weight, and the weighted sums of p and of what is said."""

    weight: Floats
    p: Floats
    says: Floats

    def pooled(self, starts: NDArray[np.int64]) -> "_Cells":
        """Pool each run of cells that begins at one of `starts`."""
        return _Cells(*(np.add.reduceat(sums, starts) for sums in self))

    def knots(self) -> tuple[Floats, Floats]:
        """Return the means of p and of what is said, from 0 to 1."""
        ends = ((0.0,), (1.0,))
        at, says = self.p / self.weight, self.says / self.weight
        return np.concatenate((ends[0], at, ends[1])), np.concatenate((ends[0], says, ends[1]))


def fit_isotonic(margin: Floats, y: NDArray[np.int8], weights: Floats) -> Platt | Isotonic:
    """Return the isotonic calibration; Platt's constant where the margin does not rise."""
    platt = fit_platt(margin, y, weights)
    if platt.slope == 0.0:
        return platt
    heeded = weights > 0.0
    scaled = weights[heeded] / weights[heeded].mean()
    p, group = np.unique(platt.probability(margin[heeded]), return_inverse=True)
    weight = np.bincount(group, weights=scaled).astype(np.float64)
    ones = np.bincount(group, weights=scaled * y[heeded]).astype(np.float64)
    rising = IsotonicRegression().fit_transform(p, ones / weight, sample_weight=weight)
    says = PLATT_SHARE * p + (1.0 - PLATT_SHARE) * rising
    cells = _Cells(weight, weight * p, weight * says).pooled(_cell_starts(weight, scaled.size))
    while (steep := _steepest_line(*cells.knots())) is not None:
        if cells.weight.size == 1:
            return platt
        # An outer line is mended by the cell at its inner end.
        joined = min(max(steep, 1), cells.weight.size - 1)
        cells = cells.pooled(np.delete(np.arange(cells.weight.size), joined))
    at, says = cells.knots()
    return Isotonic(at.astype(np.float32), says.astype(np.float32), platt)


def _cell_starts(weight: Floats, rows: int) -> NDArray[np.int64]:
    """Return where cells of about one weight begin: CELL_ROWS_MIN rows or more, KNOTS_MAX cells."""
    cells = min(KNOTS_MAX, max(1, rows // CELL_ROWS_MIN))
    share = (np.cumsum(weight) - weight) / weight.sum()
    _, starts = np.unique(np.floor(share * cells + ROUNDING), return_index=True)
    return starts.astype(np.int64)


def _steepest_line(at: Floats, says: Floats) -> int | None:
    """Return the number of the steepest line, None where none is above STEEPNESS_MAX."""
    excess = np.diff(says) - STEEPNESS_MAX * np.diff(at)
    steepest = int(excess.argmax())
    return steepest if excess[steepest] > 0.0 else None
