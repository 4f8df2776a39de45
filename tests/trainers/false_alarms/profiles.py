"""Profiles of outcomes with a known answer, and what is drawn of them."""

import numpy as np
from numpy.typing import NDArray

from trainers.false_alarms.outcome_profile import OutcomeProfile, Spoken, profile_of_auc
from trainers.false_alarms.overlap import Overlap, outcome_correlation

DAY_NS = 86_400_000_000_000
START_TS = 1_577_836_800_000_000_000


def plain(auc: float = 0.65, base_rate: float = 0.45) -> OutcomeProfile:
    """Outcomes that come one after the other."""
    return profile_of_auc(auc, base_rate, per_month=40.0)


def overlapping(
    latent: float = 0.3, block: int = 10, auc: float = 0.65, neighbours: float = 0.0
) -> OutcomeProfile:
    """Blocks of concurrent outcomes whose normals are correlated by `latent`."""
    one = plain(auc)
    base_rate = one.base_rate
    overlap = Overlap(
        clusters=len(one) // block,
        open_together=float(block),
        correlation=outcome_correlation(latent, base_rate),
        error=0.01,
        neighbours=outcome_correlation(neighbours, base_rate) if neighbours else 0.0,
    )
    return OutcomeProfile(one.probability, np.arange(len(one)) // block, overlap, one.per_month)


def spoken(
    probability: NDArray[np.float64], y: NDArray[np.int64], *, per_day: int = 1, hold_days: int = 1
) -> Spoken:
    """`per_day` predictions of each day, whose trades are closed `hold_days` later."""
    ts = START_TS + (np.arange(y.size) // per_day) * DAY_NS
    return Spoken(
        signal_ids=np.array([f"s-{row:06d}" for row in range(y.size)]),
        ts=ts.astype(np.int64),
        exit_ts=(ts + hold_days * DAY_NS).astype(np.int64),
        probability=probability,
        y=y.astype(np.int8),
    )
