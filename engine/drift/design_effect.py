"""How many times the variance of a share is that of independent rows: its design effect.

Features of a market come in runs: 250 signals may say no more than 20 that have nothing to do with
each other. Rows in order are cut into batches of equal length. What the sums of batches scatter,
beside what sums of independent rows would, is the design effect; neighbours that resemble each
other are taken for an autoregression of first order, at the upper end of what its correlation may
be. All of it is estimated from few batches: `freedom` says how many count. A column that moves
slowly beside the length of the rows is left with next to no rows and no freedom.

Sources: Rao and Scott (1981), "The analysis of categorical data from complex sample surveys";
Andrews and Monahan (1992) for the autoregression; Kendall (1954) for its bias.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CORRELATION_MAX = 0.97

Floats = NDArray[np.float64]


class DesignEffect(NamedTuple):
    """Per column, float64 (k,).

    `total`: the sum of the effects of its parts. `parts`: how many of them matter, 1 where one
    has it all. `freedom`: the degrees of freedom of each. `correlation`: of neighbouring batches.
    """

    total: Floats
    parts: Floats
    freedom: Floats
    correlation: Floats

    def at_least(self, total: Floats | NDArray[np.int64] | float) -> "DesignEffect":
        """Return the same with a total of no less than `total`."""
        return self._replace(total=np.maximum(self.total, total))


def design_effect(
    stretches: tuple[Floats, ...], rows: Floats, variance: Floats, correlation_min: Floats | float
) -> DesignEffect:
    """Return the effect of columns that are cut into parts, from batches.

    `stretches`: for each stretch of rows, how far its batches' sums are from their mean,
    (batches, k, parts). `rows` (k,): how many rows they hold together. `variance` (k, parts): of
    one independent row; 0 is a part that there is not. The correlation of neighbouring batches
    is taken to be no less than `correlation_min` (k,).
    """
    units = [
        np.divide(one, np.sqrt(variance), out=np.zeros_like(one), where=variance > 0.0)
        for one in stretches
    ]
    every = np.concatenate(units)
    batches = len(every)
    freedom = batches - len(units)
    scale = (batches / freedom / rows)[:, None, None]
    covariance = np.einsum("gkb,gkc->kbc", every, every) * scale
    total = np.einsum("kbb->k", covariance)
    square = np.einsum("kbc,kcb->k", covariance, covariance)
    # Satterthwaite: as many equal parts as have the same mean and variance.
    parts = np.divide(total**2, square, out=np.ones_like(total), where=square > 0.0)
    parts = np.maximum(parts, 1.0)
    correlation = np.maximum(_of_neighbours(units, parts), correlation_min)
    return DesignEffect(
        total * (1.0 + correlation) / (1.0 - correlation),
        parts,
        freedom * (1.0 - correlation**2) / (1.0 + correlation**2),
        correlation,
    )


def _of_neighbours(units: list[Floats], parts: Floats) -> Floats:
    """Return the correlation of neighbouring batches per column, one standard error up."""
    every = np.concatenate(units)
    across = np.sum([np.einsum("gkb,gkb->k", one[1:], one[:-1]) for one in units], axis=0)
    alone = np.einsum("gkb,gkb->k", every, every)
    found = np.divide(across, alone, out=np.zeros_like(alone), where=alone > 0.0)
    # Of n batches around their own mean it comes out too low by (1 + 3 ρ) / n.
    each = len(every) / len(units)
    found = np.clip((found + 1.0 / each) / (1.0 - 3.0 / each), 0.0, CORRELATION_MAX)
    error = np.sqrt((1.0 - found**2) / (len(every) * parts))
    result: Floats = np.minimum(found + error, CORRELATION_MAX)
    return result
