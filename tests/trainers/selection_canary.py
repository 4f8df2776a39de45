"""The canary of everything that selects strategies: on noise, the best found is worth nothing.

A search that is to be held to it is run on the histories of `tests.trainers.noise`, without costs,
for some dozens of seeds; what it says of its best trial is a `Finding` each, and
`hold_on_noise(findings)` fails where the search believes in them.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.statistics.pbo import estimate_pbo
from trainers.statistics.performance import moments_of
from trainers.statistics.sharpe import deflated_sharpe, probabilistic_sharpe

SIGNIFICANT = 0.95
AGREES_BY_CHANCE = 0.5


class Finding(NamedTuple):
    """What a search says of the best that it found: probability by the deflated Sharpe ratio,
    PBO, and whether the sealed holdout agrees. `naive`: the probability without deflation.
    """

    probability: float
    pbo: float
    holdout_agrees: bool
    naive: float = math.nan


def best_of(returns: NDArray[np.float64], holdout: int, *, blocks: int = 10) -> Finding:
    """Select the highest Sharpe ratio of returns (periods, trials), the last rows sealed.

    The holdout agrees where the selected one beats the median trial there.
    """
    past, future = returns[:-holdout], returns[-holdout:]
    moments = [moments_of(np.ascontiguousarray(column)) for column in past.T]
    sharpes = np.array([m.sharpe or 0.0 for m in moments])
    winner = int(sharpes.argmax())
    shape = {"skew": moments[winner].skew or 0.0, "kurtosis": moments[winner].kurtosis or 3.0}
    deflated = deflated_sharpe(
        sharpes[winner],
        len(past),
        trials=sharpes.size,
        variance=float(sharpes.var(ddof=1)),
        **shape,
    )
    totals = future.mean(axis=0)
    return Finding(
        deflated.probability,
        estimate_pbo(past, blocks=blocks, resamples=2).pbo,
        bool(totals[winner] > np.median(totals)),
        probabilistic_sharpe(sharpes[winner], len(past), **shape),
    )


def hold_on_noise(
    findings: Sequence[Finding], *, agrees_by_chance: float = AGREES_BY_CHANCE
) -> None:
    """Fail where the findings on noise, one per seed, are believed in more than chance allows.

    Significance within two binomial errors of 5 %, agreement and PBO within three of a half.
    """
    count = len(findings)
    significant = np.mean([f.probability > SIGNIFICANT for f in findings])
    assert significant <= 0.05 + 2.0 * math.sqrt(0.05 * 0.95 / count), (
        f"{significant:.0%} of what was found on noise is called significant"
    )
    agreed = np.mean([f.holdout_agrees for f in findings])
    error = math.sqrt(agrees_by_chance * (1.0 - agrees_by_chance) / count)
    assert agreed <= agrees_by_chance + 3.0 * error, f"{agreed:.0%} of the holdouts agree"
    pbo = np.array([f.pbo for f in findings])
    error = float(pbo.std(ddof=1)) / math.sqrt(count)
    assert abs(pbo.mean() - 0.5) <= 3.0 * error, f"the mean PBO is {pbo.mean():.2f} +- {error:.2f}"
