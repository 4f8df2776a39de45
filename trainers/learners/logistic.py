"""Ridge logistic regression on standardised columns.

Standardised values are clipped to ±CLIP_SIGMA, so that one wild bar cannot swing a margin. The
ridge is strong: in a stream near the noise floor a small edge is all there is.
Source: scikit-learn's LogisticRegression (lbfgs, L2).
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from trainers.graph import Graph
from trainers.sample_weights import relative

CLIP_SIGMA = 6.0
ITERATIONS_MAX = 500
TOLERANCE = 1e-6
SCALE_MIN = 1e-30
"""A column that moves by less is still: its inverse would leave float32."""


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`inverse_ridge` is scikit-learn's C."""

    inverse_ridge: Annotated[
        float,
        msgspec.Meta(gt=0.0, le=1e3, extra={"search": (0.0005, 0.5), "log": True}),
    ] = 0.02


DEFAULT = Params()


@dataclass(frozen=True, slots=True)
class Logistic:
    """margin = Σ coefficient · clip((x - center) / scale) + intercept; arrays float32[k]."""

    center: NDArray[np.float32]
    inverse_scale: NDArray[np.float32]
    coefficients: NDArray[np.float32]
    intercept: float

    def standardise(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the standardised, clipped rows, float32[n, k]."""
        with np.errstate(over="ignore"):  # What leaves float32 is clipped.
            z = (x - self.center) * self.inverse_scale
        clipped: NDArray[np.float32] = np.clip(z, np.float32(-CLIP_SIGMA), np.float32(CLIP_SIGMA))
        return clipped

    def margin(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the margins of x[n, k], summed in float64."""
        z = self.standardise(x).astype(np.float64)
        margin: NDArray[np.float64] = z @ self.coefficients.astype(np.float64) + self.intercept
        return margin

    def contributions(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return each column's term beside the training rows' mean, then the intercept."""
        terms = self.standardise(x).astype(np.float64) * self.coefficients.astype(np.float64)
        return np.column_stack((terms, np.full(x.shape[0], self.intercept)))

    def add_margin(self, graph: Graph, features: str) -> str:
        """Add centring, scaling, clipping and the weighted sum."""
        centred = graph.node("Sub", features, graph.constant(self.center))
        scaled = graph.node("Mul", centred, graph.constant(self.inverse_scale))
        low, high = (graph.constant(np.array(sign * CLIP_SIGMA)) for sign in (-1.0, 1.0))
        clipped = graph.node("Clip", scaled, low, high)
        total = graph.node("MatMul", clipped, graph.constant(self.coefficients[:, None]))
        return graph.node("Add", total, graph.constant(np.array([self.intercept])))

    def edges(self) -> list[tuple[int, float]]:
        """Return []: a line does not jump."""
        return []


def fit(
    x: NDArray[np.float32],
    y: NDArray[np.int8],
    weights: NDArray[np.float64],
    *,
    seed: int,
    threads: int,
    params: Params = DEFAULT,
) -> Logistic:
    """Fit on rows x[n, k]; the ridge grows with k over n through sklearn's C · n."""
    wide = x.astype(np.float64)
    share = weights / weights.sum()
    center = share @ wide
    scale = np.sqrt(share @ (wide - center) ** 2)
    moves = scale > SCALE_MIN
    inverse_scale = np.divide(1.0, scale, out=np.zeros_like(scale), where=moves)
    blank = Logistic(
        # Whatever a still column holds one day, it is a number times 0.
        np.where(moves, center, 0.0).astype(np.float32),
        inverse_scale.astype(np.float32),
        np.zeros(x.shape[1], dtype=np.float32),
        0.0,
    )
    model = LogisticRegression(C=params.inverse_ridge, max_iter=ITERATIONS_MAX, tol=TOLERANCE)
    # Many threads for small products wait for one another more than they work, and round otherwise.
    with threadpool_limits(threads):
        model.fit(blank.standardise(x).astype(np.float64), y, sample_weight=relative(weights))
    return Logistic(
        blank.center,
        blank.inverse_scale,
        model.coef_[0].astype(np.float32),
        float(np.float32(model.intercept_[0])),
    )
