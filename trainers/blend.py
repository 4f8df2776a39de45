"""Several fitted models as one: the mean of their margins, each on its own line.

A blend is itself a fitted model, so it is exported, proved and calibrated like any other, and a
member may be a blend. A margin is first brought onto the scale of log-odds by the member's slope
and intercept, which a Platt calibration on out-of-fold margins gives; a booster's margin is
there already.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.errors import DataError
from trainers.graph import Graph
from trainers.learner import Fitted


class Member(NamedTuple):
    """A fitted model that counts as slope · margin + intercept.

    `columns` int64[m] are its own among the blend's; None: all of them.
    """

    fitted: Fitted
    slope: float = 1.0
    intercept: float = 0.0
    columns: NDArray[np.int64] | None = None

    def rows(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the member's own columns of x[n, k], float32[n, m]."""
        return x if self.columns is None else np.ascontiguousarray(x[:, self.columns])


@dataclass(frozen=True, slots=True)
class Blend:
    """margin = the mean of its members' lines; raises DataError without a member."""

    members: tuple[Member, ...]

    def __post_init__(self) -> None:
        """Refuse a mean of nothing."""
        if not self.members:
            raise DataError("a blend needs at least one member, got none: fit one first")

    def margin(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the margins of x[n, k], float64[n]."""
        total = np.zeros(x.shape[0])
        for member in self.members:
            total += member.slope * member.fitted.margin(member.rows(x)) + member.intercept
        return total / len(self.members)

    def add_margin(self, graph: Graph, features: str) -> str:
        """Add every member on its own columns, its line, and the mean."""
        lines = []
        for member in self.members:
            columns = np.arange(graph.width) if member.columns is None else member.columns
            margin = member.fitted.add_margin(*graph.narrowed(features, columns))
            lines.append(graph.line(margin, member.slope, member.intercept))
        return graph.node("Mean", *lines)

    def edges(self) -> list[tuple[int, float]]:
        """Return (column of the blend, value) of every jump of a member, sorted, each once."""
        found: set[tuple[int, float]] = set()
        for member in self.members:
            for column, value in member.fitted.edges():
                own = column if member.columns is None else int(member.columns[column])
                found.add((own, value))
        return sorted(found)
