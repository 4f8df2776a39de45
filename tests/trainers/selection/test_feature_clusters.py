"""Clusters of features: known blocks are found, and only what orders the rows counts."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from streams import layer_a
from streams.errors import ConfigError, DataError
from trainers.selection.feature_clusters import LEFT_OUT, FeatureClusters, feature_clusters

BLOCKS = (1, 2, 3, 5, 8)


def blocks(
    sizes: tuple[int, ...] = BLOCKS, rows: int = 400, seed: int = 0, own: float = 0.6
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Columns of blocks, each a factor with noise of its own, some reversed: x and their names."""
    rng = np.random.default_rng(seed)
    columns, names = [], []
    for number, size in enumerate(sizes):
        factor = rng.standard_normal(rows)
        for member in range(size):
            sign = -1.0 if member % 3 == 2 else 1.0
            columns.append(sign * (factor + own * rng.standard_normal(rows)))
            names.append(f"block{number}_{member}")
    return np.stack(columns, axis=1).astype(np.float32), tuple(names)


def as_sets(clusters: FeatureClusters) -> set[frozenset[str]]:
    return {frozenset(names) for names in clusters.members}


@pytest.mark.parametrize("seed", range(5))
def test_blocks_are_recovered_whatever_their_sizes_and_signs(seed: int):
    x, names = blocks(seed=seed)
    clusters = feature_clusters(x, names, clusters=len(BLOCKS))
    expected = [{n for n in names if n.startswith(f"block{b}_")} for b in range(len(BLOCKS))]
    assert as_sets(clusters) == {frozenset(members) for members in expected}
    assert clusters.left_out == ()


def test_layer_a_is_eight_factors_with_their_copies_and_noise():
    drawn = layer_a.draw(np.random.default_rng(3), 2_000, bayes_auc=0.62)
    x = drawn.features.astype(np.float32)
    clusters = feature_clusters(x, layer_a.FEATURE_NAMES, clusters=24)
    sizes = sorted(map(len, clusters.members))
    assert sizes == [1] * 16 + [3] * 8
    for members in clusters.members:
        columns = [layer_a.FEATURE_NAMES.index(name) for name in members]
        rho = np.abs(clusters.correlation[np.ix_(columns, columns)])
        assert rho.min() > 0.5


def joined_by_hand(rho: NDArray[np.float64], count: int) -> set[frozenset[int]]:
    """The two groups with the highest mean |rho| between them join, until `count` are left."""
    groups = [[column] for column in range(len(rho))]
    while len(groups) > count:
        near = max(
            itertools.combinations(groups, 2), key=lambda pair: np.abs(rho[np.ix_(*pair)]).mean()
        )
        groups = [group for group in groups if group not in near] + [near[0] + near[1]]
    return {frozenset(group) for group in groups}


@pytest.mark.parametrize("seed", range(5))
def test_clusters_join_by_the_mean_distance_between_their_members(seed: int):
    x, names = blocks(rows=60, seed=seed, own=1.5)
    for count in range(2, 12):
        clusters = feature_clusters(x, names, clusters=count)
        expected = joined_by_hand(clusters.correlation, count)
        assert as_sets(clusters) == {frozenset(names[k] for k in group) for group in expected}


def test_the_order_of_columns_changes_nothing_even_where_distances_tie():
    x, names = blocks(rows=12)
    x = x.round(0)  # a dozen rows of few values: distances tie
    x[:, 4] = x[:, 9]
    first = feature_clusters(x, names, clusters=6)
    for seed in range(10):
        order = np.random.default_rng(seed).permutation(len(names))
        other = feature_clusters(x[:, order], tuple(names[k] for k in order), clusters=6)
        assert other.members == first.members
        assert (other.cluster_of == first.cluster_of[order]).all()
        moved = first.correlation[np.ix_(order, order)]
        assert np.array_equal(other.correlation, moved, equal_nan=True)


def test_scale_and_monotone_transforms_change_nothing():
    x, names = blocks(seed=4)
    bent = x.copy()
    bent[:, 0::4] *= np.float32(2.0**60)
    bent[:, 1::4] = np.exp(bent[:, 1::4])
    bent[:, 2::4] = -np.sign(bent[:, 2::4]) * bent[:, 2::4] ** 2
    for count in (3, 5, 12):
        plain, other = (feature_clusters(v, names, clusters=count) for v in (x, bent))
        assert other.members == plain.members
        assert (np.abs(other.correlation) == np.abs(plain.correlation)).all()


@pytest.mark.parametrize("count", range(1, 20))
def test_as_many_clusters_as_are_asked_for(count: int):
    x, names = blocks(rows=15)
    assert feature_clusters(x.round(1), names, clusters=count).count == count


def test_there_are_no_more_clusters_than_features_and_copies_are_never_parted():
    x, names = blocks((1, 1, 1))
    assert feature_clusters(x, names).members == (("block0_0",), ("block1_0",), ("block2_0",))
    copies = np.concatenate((x, -x[:, 1:2], np.exp(x[:, 1:2])), axis=1)
    clusters = feature_clusters(copies, (*names, "copy", "curve"))
    assert clusters.members == (("block0_0",), ("block1_0", "copy", "curve"), ("block2_0",))


def test_constant_and_unknown_columns_are_in_no_cluster():
    x, names = blocks((2, 2))
    still, empty, half = np.full((400, 1), 3.0), np.full((400, 1), np.nan), x[:, :1].copy()
    half[::2] = np.inf
    wide = np.concatenate((still, x, empty, half), axis=1).astype(np.float32)
    clusters = feature_clusters(wide, ("still", *names, "empty", "half"), clusters=2)
    assert clusters.left_out == ("empty", "half", "still")
    assert clusters.cluster_of.tolist() == [LEFT_OUT, 0, 0, 1, 1, LEFT_OUT, LEFT_OUT]
    assert as_sets(clusters) == as_sets(feature_clusters(x, names, clusters=2))
    assert np.isnan(clusters.correlation[0]).all()


def test_rows_with_an_unknown_value_are_not_looked_at():
    x, names = blocks()
    holed = x.copy()
    holed[5::40, 3] = np.nan
    kept = np.isfinite(holed).all(axis=1)
    clusters = feature_clusters(holed, names, clusters=5)
    assert (clusters.correlation == feature_clusters(x[kept], names, clusters=5).correlation).all()
    holed[5::40] = 1e30
    holed[5::40, 3] = np.nan
    assert (feature_clusters(holed, names, clusters=5).correlation == clusters.correlation).all()


def test_a_column_that_varies_only_where_another_is_unknown_is_left_out():
    x, names = blocks((2, 2))
    x[:, 0] = 0.0
    x[:20, 0] = np.arange(20)
    x[:20, 2] = np.nan
    assert feature_clusters(x, names).left_out == (names[0],)


@pytest.mark.parametrize("shape", [(0, 4), (1, 4), (10, 0)])
def test_without_rows_or_columns_there_are_no_clusters(shape: tuple[int, int]):
    x = np.zeros(shape, dtype=np.float32)
    clusters = feature_clusters(x, tuple("abcd"[: shape[1]]))
    assert clusters.count == 0
    assert clusters.members == ()
    assert len(clusters.left_out) == shape[1]


def test_what_cannot_be_clustered_is_refused():
    x, names = blocks((2, 1))
    with pytest.raises(ConfigError, match="clusters must be 1 or more, was 0"):
        feature_clusters(x, names, clusters=0)
    with pytest.raises(DataError, match=r"shape \(400, 3\), and 2 names: give one per column"):
        feature_clusters(x, names[:2])
    with pytest.raises(DataError, match="two columns are called 'twin'"):
        feature_clusters(x, ("twin", "a", "twin"))


def test_the_samples_are_left_as_they_were():
    x, names = blocks()
    before = x.copy()
    feature_clusters(x, names)
    assert (x == before).all()
