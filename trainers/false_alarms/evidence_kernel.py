"""The arithmetic of an e-detector (`engine.drift.e_detector`) over many outcomes, compiled."""

from functools import lru_cache
from types import ModuleType

from models.compiled import load_compiled

_SOURCE = '''"""The evidence of an e-detector over many outcomes, as a call from Python."""

import numba


@numba.njit(cache=True, error_model="numpy")
def accumulate(ratios, weights, rows, y, ends, evidence, partial, counts, thresholds, times, lag):
    """Take outcomes until the last threshold is reached; return the newest statistic.

    ratios[row, y, bet]; evidence and partial[bet]; counts: outcomes of the open cluster, outcomes
    seen, thresholds reached; times[threshold].
    """
    bets = weights.size
    reached = counts[2]
    statistic = 0.0
    for i in range(rows.size):
        if reached >= thresholds.size:
            break
        counts[1] += 1
        counts[0] += 1
        for b in range(bets):
            partial[b] += ratios[rows[i], y[i], b]
        if not ends[i]:
            continue
        size = counts[0]
        statistic = 0.0
        for b in range(bets):
            evidence[b] = (evidence[b] + size) * (partial[b] / size)
            statistic += weights[b] * evidence[b]
            partial[b] = 0.0
        counts[0] = 0
        while reached < thresholds.size and statistic >= thresholds[reached]:
            times[reached] = counts[1] + lag
            reached += 1
    counts[2] = reached
    return statistic
'''


@lru_cache(maxsize=1)
def load_evidence() -> ModuleType:
    """Return the compiled module with `accumulate`."""
    return load_compiled("evidence", _SOURCE, ())
