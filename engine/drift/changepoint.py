"""When a model stopped being right, from what it said and what became of it.

For every moment that the change may have happened, how likely is all that came before under one
law, and all that came after under another? The laws before are those of a model that is about as
good as it says, also of one that is too sure of itself; those after are worse. They are averaged,
not chosen. With every moment as likely as another beforehand this gives the odds of each, and the
estimate is where LATE of them lie behind: data from before the change teach the old law, so too
early costs more than too late.

Without the laws before, a model that was always too sure of itself would seem to have changed long
ago.
"""

import numpy as np
from numpy.typing import NDArray

from engine.drift.detector import PROBABILITY_MIN

LATE = 0.65
SLOPES_BEFORE = (1.5, 1.25, 1.0, 0.75, 0.5)
SLOPES_AFTER = (0.5, 0.25, 0.0, -0.25, -0.5, -0.75, -1.0, -1.25)
STEP_DOWN = 0.25
SHIFTS_BEFORE = (-0.1, 0.0, 0.1)
SHIFTS_AFTER = (-0.75, -0.5, -0.35, -0.25, 0.25, 0.35, 0.5, 0.75)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def ranking_changepoint(
    times: Ints, probability: Floats, outcome: Ints, mean_log_odds: float
) -> int:
    """Return the signal time from which the model ranks worse.

    `times` (n,) are those of the signals, in any order, n ≥ 1; `probability` is what the model
    said, `outcome` 1 or 0; its log-odds usually lie around `mean_log_odds`.
    """
    order = np.argsort(times, kind="stable")
    spread = _log_odds(probability[order]) - mean_log_odds
    slopes = np.array(SLOPES_BEFORE + SLOPES_AFTER)
    likelihood = _log_likelihood(mean_log_odds + np.outer(spread, slopes), outcome[order])
    before = likelihood[:, : len(SLOPES_BEFORE)]
    after = likelihood[:, len(SLOPES_BEFORE) :]
    is_worse = np.subtract.outer(SLOPES_BEFORE, SLOPES_AFTER) >= STEP_DOWN
    return int(times[order][_index(before, after, is_worse)])


def calibration_changepoint(times: Ints, probability: Floats, outcome: Ints) -> int:
    """Return the signal time from which the model's probabilities are too high or too low."""
    order = np.argsort(times, kind="stable")
    shifts = np.array(SHIFTS_BEFORE + SHIFTS_AFTER)
    likelihood = _log_likelihood(
        np.add.outer(_log_odds(probability[order]), shifts), outcome[order]
    )
    before = likelihood[:, : len(SHIFTS_BEFORE)]
    after = likelihood[:, len(SHIFTS_BEFORE) :]
    is_any = np.ones((len(SHIFTS_BEFORE), len(SHIFTS_AFTER)), dtype=np.bool_)
    return int(times[order][_index(before, after, is_any)])


def _index(before: Floats, after: Floats, pairs: NDArray[np.bool_]) -> int:
    """Return which of n moments; the log-likelihoods (n, laws), `pairs` which may follow which."""
    none = np.zeros((1, before.shape[1]))
    upto = np.concatenate([none, np.cumsum(before, axis=0)[:-1]])
    since = np.cumsum(after[::-1], axis=0)[::-1]
    of_pairs = []
    for law, follows in enumerate(pairs):
        if follows.any():
            of_pairs.append(upto[:, law] + _log_mean(since[:, follows]))
    log_odds = _log_mean(np.array(of_pairs).T)
    odds = np.cumsum(np.exp(log_odds - log_odds.max()))
    return int(np.searchsorted(odds, LATE * odds[-1]))


def _log_mean(values: Floats) -> Floats:
    """Return log mean exp of each row."""
    top = values.max(axis=1, keepdims=True)
    result: Floats = top[:, 0] + np.log(np.exp(values - top).mean(axis=1))
    return result


def _log_likelihood(log_odds: Floats, outcome: Ints) -> Floats:
    sign = np.where(outcome == 1, -1.0, 1.0)[:, None]
    result: Floats = -np.logaddexp(0.0, sign * log_odds)
    return result


def _log_odds(probability: Floats) -> Floats:
    p = np.clip(probability, PROBABILITY_MIN, 1.0 - PROBABILITY_MIN)
    result: Floats = np.log(p / (1.0 - p))
    return result
