"""Which features a model lives by, on samples that it has not seen.

Two questions. Permutation (Breiman 2001): what does the model lose when a feature is handed out
among the samples at random? Features that say the same stand in for one another, and each alone
looks worthless: those that are correlated are handed out together. Contributions: how far does
the feature move the margin, and to which side? A model that is worth nothing moves its margin
too: it is the first question that says what a feature is good for.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from trainers.challenger import Challenger
from trainers.columns import complete_rows
from trainers.dataset import Dataset
from trainers.evaluation.contributions import contributions_of
from trainers.metrics import log_losses
from trainers.onnx_export import native
from trainers.selection.rank_correlation import rank_correlation

REPEATS = 5
PERMUTED_ROWS_MAX = 1_000
CONTRIBUTION_ROWS_MAX = 200
BACKGROUND_ROWS_MAX = 200
ROWS_MIN = 20
"""On fewer a permutation says nothing."""

CORRELATED_MIN = 0.5
"""Features whose mean |Spearman's rho| is above this are handed out together."""

SEED = 7

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class PermutedFeatures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is lost when these features, together, are handed out among the samples at random.

    `lost`: nats per outcome, mean over the repeats, at or below 0 where they are worth nothing;
    `spread`: the standard deviation over the repeats; `low` and `high` the smallest and largest.
    """

    features: tuple[str, ...]
    lost: float
    spread: float
    low: float
    high: float


class FeatureContribution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a feature moves the margin: `magnitude`, the mean of |contribution|, log-odds.

    `share` of the magnitudes of all. `direction` in [-1, 1]: Spearman's rank correlation of the
    feature and its contribution, None where either does not vary.
    """

    feature: str
    magnitude: float
    share: float
    direction: float | None


class Importance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Both kinds, largest first. `*_rows`: of how many samples.

    `method` of the contributions: "exact" where the learner says them itself (TreeSHAP, or the
    terms of a sum), else "sampled" (Shapley values by random orders). `reason` where there is
    none.
    """

    permuted: tuple[PermutedFeatures, ...]
    permuted_rows: int
    contributions: tuple[FeatureContribution, ...]
    contribution_rows: int
    method: str | None
    reason: str | None = None


def importance_of(
    model: Challenger,
    outcomes: Dataset,
    *,
    groups: Sequence[Sequence[str]] | None = None,
    seed: int = SEED,
) -> Importance:
    """Return the importance of the model's features on `outcomes`, which it has not seen.

    `groups` of feature names are handed out together, each of the others by itself; None: those
    that are correlated in the model's training rows. Of many complete samples some are taken,
    evenly in time.
    """
    names = tuple(outcomes.names[column] for column in model.columns)
    rows = np.flatnonzero(complete_rows(outcomes.x, model.columns))
    if rows.size < ROWS_MIN:
        why = f"importance needs {ROWS_MIN} samples without unknown features, was {rows.size}"
        return Importance((), 0, (), 0, None, why)
    permuted_rows = _evenly(rows, PERMUTED_ROWS_MAX)
    explained_rows = _evenly(rows, CONTRIBUTION_ROWS_MAX)
    together = correlated(model.whole) if groups is None else _columns_of(groups, names)
    permuted = [
        _permuted(
            model,
            np.ascontiguousarray(outcomes.x[np.ix_(permuted_rows, model.columns)]),
            outcomes.y[permuted_rows],
            columns,
            names,
            np.random.default_rng((seed, int(columns[0]))),
        )
        for columns in together
    ]
    contributions, method = _contributions(
        model, np.ascontiguousarray(outcomes.x[np.ix_(explained_rows, model.columns)]), names, seed
    )
    return Importance(
        permuted=tuple(sorted(permuted, key=lambda one: (-one.lost, one.features))),
        permuted_rows=int(permuted_rows.size),
        contributions=contributions,
        contribution_rows=int(explained_rows.size),
        method=method,
    )


def correlated(x: NDArray[np.float32]) -> tuple[Ints, ...]:
    """Return the columns of x[n, k] in groups that say the same, each ascending, by their first.

    Average linkage by 1 - |Spearman's rho|, cut at 1 - CORRELATED_MIN.
    """
    width = x.shape[1]
    if width < 2 or x.shape[0] < 2:
        return tuple(np.array([column]) for column in range(width))
    distance = np.nan_to_num(1.0 - np.abs(rank_correlation(x)), nan=1.0)
    np.fill_diagonal(distance, 0.0)
    merges = linkage(squareform(np.maximum(distance, 0.0), checks=False), method="average")
    group_of = fcluster(merges, 1.0 - CORRELATED_MIN, criterion="distance")
    groups = [np.flatnonzero(group_of == group) for group in np.unique(group_of)]
    return tuple(sorted(groups, key=lambda columns: int(columns[0])))


def _columns_of(groups: Sequence[Sequence[str]], names: tuple[str, ...]) -> tuple[Ints, ...]:
    """The columns of each group that the model has, and of each that is in none."""
    place = {name: column for column, name in enumerate(names)}
    found = [sorted({place[name] for name in group if name in place}) for group in groups]
    grouped = {column for group in found for column in group}
    found += [[column] for column in range(len(names)) if column not in grouped]
    return tuple(np.array(group) for group in found if group)


def _permuted(
    model: Challenger,
    x: NDArray[np.float32],
    y: NDArray[np.int8],
    columns: Ints,
    names: tuple[str, ...],
    rng: np.random.Generator,
) -> PermutedFeatures:
    own = float(log_losses(y, native(model.fitted, model.calibration, x)).mean())
    handed_out = np.tile(x, (REPEATS, 1))
    order = np.concatenate([rng.permutation(len(x)) for _ in range(REPEATS)])
    handed_out[:, columns] = x[np.ix_(order, columns)]
    told = native(model.fitted, model.calibration, handed_out)
    lost = log_losses(np.tile(y, REPEATS), told).reshape(REPEATS, -1).mean(axis=1) - own
    return PermutedFeatures(
        features=tuple(names[column] for column in columns),
        lost=float(lost.mean()),
        spread=float(lost.std(ddof=1)),
        low=float(lost.min()),
        high=float(lost.max()),
    )


def _contributions(
    model: Challenger, x: NDArray[np.float32], names: tuple[str, ...], seed: int
) -> tuple[tuple[FeatureContribution, ...], str]:
    background = model.whole[_evenly(np.arange(len(model.whole)), BACKGROUND_ROWS_MAX)]
    found = contributions_of(model.fitted, x, background, seed=seed)
    magnitudes = np.abs(found.values).mean(axis=0)
    total = float(magnitudes.sum())
    told = [
        FeatureContribution(
            feature=name,
            magnitude=float(magnitudes[column]),
            share=float(magnitudes[column]) / total if total > 0.0 else 0.0,
            direction=_direction(x[:, column], found.values[:, column]),
        )
        for column, name in enumerate(names)
    ]
    ordered = tuple(sorted(told, key=lambda one: (-one.magnitude, one.feature)))
    return ordered, "exact" if found.is_exact else "sampled"


def _direction(feature: NDArray[np.float32], contribution: Floats) -> float | None:
    rho = float(
        rank_correlation(np.stack((feature, contribution.astype(np.float32)), axis=1))[0, 1]
    )
    return rho if np.isfinite(rho) else None


def _evenly(rows: Ints, count_max: int) -> Ints:
    if rows.size <= count_max:
        return rows
    return rows[np.linspace(0, rows.size - 1, count_max).round().astype(np.int64)]
