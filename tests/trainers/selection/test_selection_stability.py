"""The stability index is Kuncheva's where folds choose equally many, and knows its own error."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from streams.errors import ConfigError, DataError
from trainers.selection.feature_clusters import feature_clusters
from trainers.selection.selection_stability import selection_stability, stability_index


def drawn(folds: int, shares: NDArray[np.float64], seed: int) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random((folds, shares.size)) < shares


def kuncheva(chosen: NDArray[np.bool_]) -> float:
    """The mean over pairs of (r - k²/d) / (k - k²/d), Kuncheva (2007), equation 2."""
    size, count = int(chosen[0].sum()), chosen.shape[1]
    chance = size**2 / count
    pairs = itertools.combinations(chosen, 2)
    return float(np.mean([((a & b).sum() - chance) / (size - chance) for a, b in pairs]))


def test_one_feature_of_ten_that_changes_is_worked_out_by_hand():
    # k = 5 of d = 10, r = 4 in common: (4·10 - 25) / (5·5) = .6
    choices = [("a", "b", "c", "d", "e"), ("a", "b", "c", "d", "f")]
    stability = selection_stability(choices, tuple("abcdefghij"))
    assert stability.features.value == pytest.approx(0.6, abs=1e-12)
    assert stability.by_feature["a"] == 1.0
    assert stability.by_feature["f"] == 0.5
    assert stability.by_feature["j"] == 0.0


@pytest.mark.parametrize(("size", "folds"), [(1, 2), (5, 4), (11, 7), (19, 3)])
def test_with_equal_sizes_the_index_is_that_of_kuncheva(size: int, folds: int):
    rng = np.random.default_rng(size)
    chosen = np.zeros((folds, 20), dtype=np.bool_)
    for row in chosen:
        row[rng.permutation(20)[:size]] = True
    assert stability_index(chosen).value == pytest.approx(kuncheva(chosen), abs=1e-12)


def test_unequal_sizes_are_worked_out_by_hand():
    # Shares 1, 1/2, 0: variances 0, 1/2, 0 with one degree of freedom; size (1 + 2) / 2 of 3.
    chosen = np.array([[1, 0, 0], [1, 1, 0]], dtype=np.bool_)
    assert stability_index(chosen).value == pytest.approx(1.0 - (0.5 / 3.0) / 0.25, abs=1e-12)


def test_folds_that_agree_are_stable_without_doubt():
    chosen = np.tile(np.arange(10) < 3, (5, 1))
    assert stability_index(chosen) == (1.0, 1.0, 1.0)


def test_folds_that_avoid_each_other_reach_the_lowest_value():
    # The bound of the paper: -1 / (M - 1).
    chosen = np.eye(4, dtype=np.bool_)
    assert stability_index(chosen).value == pytest.approx(-1.0 / 3.0, abs=1e-12)


def test_choosing_at_random_is_worth_nothing_at_any_size():
    for size in (0.1, 0.5, 0.9):
        values = [stability_index(drawn(6, np.full(60, size), s)).value for s in range(200)]
        assert abs(np.mean(values)) < 3.0 * np.std(values) / np.sqrt(200)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    shares = np.concatenate((np.full(15, 0.9), np.full(25, 0.35), np.full(60, 0.05)))
    size = shares.mean()
    truth = 1.0 - (shares * (1.0 - shares)).mean() / (size * (1.0 - size))
    found = [stability_index(drawn(40, shares, seed), confidence=0.9) for seed in range(400)]
    held = np.mean([f.low <= truth <= f.high for f in found])
    assert 0.84 < held < 0.95
    mean = np.mean([f.value for f in found])
    assert mean == pytest.approx(truth, abs=0.005)


def test_the_interval_is_the_delta_methods_also_where_sizes_differ():
    rng = np.random.default_rng(3)
    chosen = rng.random((60, 30)) < rng.random((60, 1)) * rng.random(30)

    def plain(weights: NDArray[np.float64]) -> float:
        shares = weights @ chosen
        size = shares.mean()
        spread = (shares * (1.0 - shares)).mean() * 60.0 / 59.0
        return float(1.0 - spread / (size * (1.0 - size)))

    even, step = np.full(60, 1.0 / 60.0), 1e-6
    towards = [(1.0 - step) * even + step * np.eye(60)[fold] for fold in range(60)]
    slopes = np.array([(plain(w) - plain(even)) / step for w in towards])
    error = np.sqrt(((slopes - slopes.mean()) ** 2).sum()) / 60.0
    found = stability_index(chosen, confidence=0.95)
    assert found.value == pytest.approx(plain(even), abs=1e-12)
    # The paper's influences are without the M / (M - 1) of small samples within the index.
    assert found.value - found.low == pytest.approx(1.959964 * error, rel=0.03)


def test_where_there_is_nothing_to_choose_there_is_no_index():
    for chosen in (np.ones((3, 4), np.bool_), np.zeros((3, 4), np.bool_)):
        assert stability_index(chosen) == (None, None, None)
    assert selection_stability([(), ()], ()).features.value is None


def test_a_cluster_is_stable_where_only_its_representative_changes():
    rng = np.random.default_rng(2)
    factors = rng.standard_normal((200, 3))
    x = np.repeat(factors, 3, axis=1) + 0.1 * rng.standard_normal((200, 9))
    names = ("a1", "a2", "a3", "b1", "b2", "b3", "c1", "c2", "c3")
    reference = feature_clusters(x.astype(np.float32), names, clusters=3)
    choices = [("a1", "b1"), ("a2", "b2"), ("a3", "b3"), ("a1", "c1")]
    stability = selection_stability(choices, names, reference=reference)
    assert stability.folds == 4
    assert stability.by_cluster == (1.0, 0.75, 0.25)
    assert stability.features.value < 0.1
    assert stability.clusters.value == pytest.approx(1.0 - (4.0 / 3.0) * 0.125 / (2.0 / 9.0))
    alone = selection_stability(choices, names)
    assert alone.by_cluster == ()
    assert alone.clusters.value is None


def test_the_order_of_folds_and_candidates_changes_nothing():
    names = tuple("abcdefgh")
    choices = [("a", "b"), ("b", "c", "d"), ("a", "h")]
    first = selection_stability(choices, names)
    other = selection_stability(choices[::-1], names[::-1])
    assert other.by_feature == first.by_feature
    assert other.features == pytest.approx(first.features, abs=1e-12)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(DataError, match="needs the choices of 2 folds, was 1"):
        selection_stability([("a",)], ("a", "b"))
    with pytest.raises(DataError, match="'z' was chosen, but is not among the 2 candidates"):
        selection_stability([("a",), ("z",)], ("a", "b"))
    with pytest.raises(ConfigError, match=r"confidence must be in \(0, 1\), was 1.0"):
        stability_index(np.eye(2, dtype=np.bool_), confidence=1.0)
