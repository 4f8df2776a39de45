"""Whether the folds choose the same features, and how sure that is.

The index is that of Nogueira, Sechidis and Brown (2018), "On the Stability of Feature Selection
Algorithms", JMLR 18(174): 1 where every fold chooses the same, about 0 where each chooses at
random, less where they avoid each other's choice. Where all folds choose equally many it is the
mean over pairs of Kuncheva's (2007) consistency index.

The interval is theirs too: normal, from the folds' own influences. It takes the folds for
independent; those of a walk-forward share training rows, so that it is narrower than the truth.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from streams.errors import ConfigError, DataError
from trainers.selection.feature_clusters import FeatureClusters

CONFIDENCE = 0.95
FOLDS_MIN = 2


class Stability(NamedTuple):
    """The index and its interval [low, high], cut at 1 above.

    None where every fold takes all, or none: there was nothing to choose.
    """

    value: float | None
    low: float | None
    high: float | None


class SelectionStability(NamedTuple):
    """How far the choices of `folds` folds agree.

    `by_feature`: the share of folds that chose each candidate, in [0, 1]. `by_cluster`: for each
    reference cluster the share of folds that chose any of its members; () without a reference.
    `clusters`: the index of choosing clusters: near 1 where only the representative changes.
    """

    folds: int
    features: Stability
    by_feature: dict[str, float]
    clusters: Stability
    by_cluster: tuple[float, ...]


def selection_stability(
    choices: Sequence[Collection[str]],
    names: Sequence[str],
    *,
    reference: FeatureClusters | None = None,
    confidence: float = CONFIDENCE,
) -> SelectionStability:
    """Compare the names that each fold chose of the candidates `names`.

    `reference`: the clusters that shares by cluster are told of, those of the last fold or of
    the final model say, as each fold has clusters of its own.

    Raises DataError for fewer than FOLDS_MIN folds or a choice that is no candidate.

    >>> stability = selection_stability([("a", "b"), ("a", "b"), ("a", "c")], ("a", "b", "c", "d"))
    >>> round(stability.features.value, 3), stability.by_feature["a"]
    (0.333, 1.0)
    """
    if len(choices) < FOLDS_MIN:
        raise DataError(f"stability needs the choices of {FOLDS_MIN} folds, was {len(choices)}")
    unknown = sorted({name for choice in choices for name in choice} - set(names))
    if unknown:
        raise DataError(f"{unknown[0]!r} was chosen, but is not among the {len(names)} candidates")
    chosen = np.array([[name in set(choice) for name in names] for choice in choices], np.bool_)
    groups = () if reference is None else reference.members
    hit = np.zeros((len(choices), len(groups)), dtype=np.bool_)
    for cluster, members in enumerate(groups):
        hit[:, cluster] = chosen[:, [name in members for name in names]].any(axis=1)
    return SelectionStability(
        len(choices),
        stability_index(chosen, confidence=confidence),
        dict(zip(names, chosen.mean(axis=0).tolist(), strict=True)),
        stability_index(hit, confidence=confidence),
        tuple(hit.mean(axis=0).tolist()),
    )


def stability_index(chosen: NDArray[np.bool_], *, confidence: float = CONFIDENCE) -> Stability:
    """Return the index of chosen[folds, features], folds >= 2, with its interval.

    Raises ConfigError for a confidence outside (0, 1).
    """
    if not 0.0 < confidence < 1.0:
        raise ConfigError(f"confidence must be in (0, 1), was {confidence}")
    folds = chosen.shape[0]
    if chosen.all() or not chosen.any():
        return Stability(None, None, None)
    taken = chosen.astype(np.float64)
    shares = taken.mean(axis=0)
    sizes = taken.mean(axis=1)
    size = float(sizes.mean())
    by_chance = size * (1.0 - size)
    index = 1.0 - folds / (folds - 1.0) * float((shares * (1.0 - shares)).mean()) / by_chance
    # Half the influence of each fold on the index, up to a constant that falls out below.
    slope = 2.0 * size * sizes - sizes - size + 1.0
    influence = ((taken * shares).mean(axis=1) - sizes * size + index / 2.0 * slope) / by_chance
    error = 2.0 / folds * float(np.sqrt(((influence - influence.mean()) ** 2).sum()))
    reach = float(ndtri(0.5 + confidence / 2.0)) * error
    return Stability(index, index - reach, min(1.0, index + reach))
