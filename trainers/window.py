"""Which outcomes judge a challenger, and which may train it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.dataset import DAY_NS, Dataset
from trainers.settings import TrainSettings
from trainers.splits import closed_before


class Division(NamedTuple):
    """Masks bool[n]: the gate window, all that may train, and what may since the changepoint."""

    window: NDArray[np.bool_]
    training: NDArray[np.bool_]
    recent: NDArray[np.bool_]


def divide(
    samples: Dataset,
    settings: TrainSettings,
    *,
    since_ts: int = 0,
    is_after_drift: bool = False,
    frozen_ts: int = 0,
) -> Division:
    """Cut the newest samples off as the gate window, and purge what trains before it.

    The window holds `gate_share` of the samples, or as many as the gate needs where that is
    more, and begins after `frozen_ts`, when the last label of the champion's training was
    closed. After a confirmed drift only samples since the changepoint count and judge.
    """
    count = len(samples)
    counted = samples.ts >= since_ts if is_after_drift else np.ones(count, dtype=bool)
    wanted = max(settings.gate.outcomes_min, int(np.ceil(settings.gate_share * counted.sum())))
    eligible = np.flatnonzero(counted & (samples.ts > frozen_ts))
    first = eligible[max(0, eligible.size - wanted)] if eligible.size else count
    if first >= count:
        nothing = np.zeros(count, dtype=bool)
        return Division(nothing, nothing, nothing)
    opens_ts = int(samples.ts[first])
    window = np.zeros(count, dtype=bool)
    window[eligible] = samples.ts[eligible] >= opens_ts
    embargo_ns = int(settings.embargo_days * DAY_NS)
    training = closed_before(samples.exit_ts, opens_ts, embargo_ns)
    return Division(window, training, training & (samples.ts >= since_ts))
