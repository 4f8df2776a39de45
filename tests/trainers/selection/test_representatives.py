"""One feature per cluster: the medoid without outcomes, or the one that tells them best."""

import numpy as np
import pytest
from numpy.typing import NDArray

from streams import layer_a
from streams.errors import ConfigError, DataError
from trainers.metrics import auc
from trainers.selection.feature_clusters import CLUSTERS, FeatureClusters, feature_clusters
from trainers.selection.representatives import (
    Rule,
    choose_representatives,
    rank_association,
)
from trainers.selection.selection_stability import selection_stability

RULES: tuple[Rule, ...] = ("medoid", "association")
NAMES = layer_a.FEATURE_NAMES

Samples = tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.float64]]


def layer_a_samples(rows: int, seed: int, bayes_auc: float = 0.62) -> Samples:
    rng = np.random.default_rng(seed)
    drawn = layer_a.draw(rng, rows, bayes_auc=bayes_auc)
    weights = 0.2 + rng.random(rows)
    return drawn.features.astype(np.float32), drawn.outcome.astype(np.int8), weights


def chosen_names(clusters: FeatureClusters, columns: NDArray[np.int64]) -> set[str]:
    return {clusters.names[column] for column in columns}


def test_the_medoid_is_the_factor_and_not_one_of_its_copies():
    x, y, weights = layer_a_samples(1_000, seed=1)
    clusters = feature_clusters(x, NAMES, clusters=24)
    columns = choose_representatives(clusters, x, y, weights)
    # The first eight columns are the factors, then two copies of each, then noise.
    assert columns.tolist() == [*range(8), *range(24, 40)]


def test_the_association_is_the_weighted_area_under_the_curve():
    x, y, weights = layer_a_samples(300, seed=2)
    coarse = x[:, 0].round(0)
    plain = abs(2.0 * auc(y, coarse.astype(np.float64)) - 1.0)
    assert rank_association(coarse, y, np.ones(300)) == pytest.approx(plain, abs=1e-9)
    doubled = np.where(np.arange(300) % 3 == 0, 2, 1)
    twice = np.repeat(np.arange(300), doubled)
    expected = rank_association(coarse[twice], y[twice], np.ones(twice.size))
    assert rank_association(coarse, y, doubled.astype(np.float64)) == expected
    assert rank_association(-coarse, y, weights) == rank_association(coarse, y, weights)
    assert rank_association(np.exp(coarse), y, weights) == rank_association(coarse, y, weights)


def test_association_takes_the_feature_that_tells_outcomes_best():
    rng = np.random.default_rng(5)
    y = (rng.random(600) < 0.5).astype(np.int8)
    good = y + 0.8 * rng.standard_normal(600)
    x = np.stack([good + 1.5 * rng.standard_normal(600), good, -good + 0.5], axis=1)
    x = np.concatenate((x, rng.standard_normal((600, 2))), axis=1).astype(np.float32)
    x[:, 2] += 0.7 * rng.standard_normal(600).astype(np.float32)
    clusters = feature_clusters(x, ("a", "b", "c", "d", "e"), clusters=3)
    assert ("a", "b", "c") in clusters.members
    columns = choose_representatives(clusters, x, y, np.ones(600), rule="association")
    assert columns.tolist() == [1, 3, 4]


def test_weights_decide_what_tells_best():
    rng = np.random.default_rng(6)
    y = (rng.random(400) < 0.5).astype(np.int8)
    shared = 2.0 * rng.standard_normal(400)
    early = np.arange(400) < 200
    x = np.stack([shared + 2.0 * y * early, shared + 2.0 * y * ~early], axis=1).astype(np.float32)
    clusters = feature_clusters(x, ("early", "late"), clusters=1)
    for rows, name in ((early, "early"), (~early, "late")):
        weights = np.where(rows, 10.0, 0.1)
        columns = choose_representatives(clusters, x, y, weights, rule="association")
        assert chosen_names(clusters, columns) == {name}


@pytest.mark.parametrize("rule", RULES)
def test_the_order_of_columns_and_monotone_transforms_choose_alike(rule: Rule):
    x, y, weights = layer_a_samples(400, seed=3)
    # Copies tie.
    x = np.concatenate((x, x[:, :3], -x[:, 5:7]), axis=1)
    names = (*NAMES, "copy_c", "copy_a", "copy_b", "minus_b", "minus_a")
    clusters = feature_clusters(x, names, clusters=20)
    first = chosen_names(clusters, choose_representatives(clusters, x, y, weights, rule=rule))
    assert len(first) == 20
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(names))
        moved = np.sinh(x[:, order]) * np.where(order % 2, -3.0, 0.25).astype(np.float32)
        other = feature_clusters(moved, tuple(names[k] for k in order), clusters=20)
        columns = choose_representatives(other, moved, y, weights, rule=rule)
        assert (np.diff(columns) > 0).all()
        assert chosen_names(other, columns) == first


@pytest.mark.parametrize("rule", RULES)
def test_ties_go_to_the_first_name(rule: Rule):
    x, y, weights = layer_a_samples(200, seed=4)
    x = np.repeat(x[:, :1], 3, axis=1)
    clusters = feature_clusters(x, ("c", "a", "b"))
    assert choose_representatives(clusters, x, y, weights, rule=rule).tolist() == [1]


@pytest.mark.parametrize("rule", RULES)
def test_rows_outside_the_fold_are_never_looked_at(rule: Rule):
    x, y, weights = layer_a_samples(900, seed=7)
    inside = np.flatnonzero(np.arange(900) // 100 % 3 != 1)
    results = []
    for spoil in (1.0, 1e6, np.nan):
        whole, outcomes, heavy = x.copy(), y.copy(), weights.copy()
        outside = np.setdiff1d(np.arange(900), inside)
        if spoil != 1.0:
            whole[outside] *= np.float32(spoil)
            outcomes[outside], heavy[outside] = 1 - y[outside], 1e9
        train = whole[inside]
        clusters = feature_clusters(train, NAMES)
        columns = choose_representatives(
            clusters, train, outcomes[inside], heavy[inside], rule=rule
        )
        results.append((clusters.members, clusters.correlation.tobytes(), columns.tolist()))
    assert results[0] == results[1] == results[2]


def test_the_medoid_never_sees_an_outcome():
    x, y, weights = layer_a_samples(500, seed=8)
    clusters = feature_clusters(x, NAMES)
    columns = choose_representatives(clusters, x, y, weights).tolist()
    one_class = np.ones_like(y)
    assert choose_representatives(clusters, x, one_class, weights[::-1]).tolist() == columns


def test_unknown_values_and_columns_left_out_are_never_chosen():
    x, y, weights = layer_a_samples(500, seed=9)
    x[:, 0], x[:, 8] = np.nan, 1.0
    x[::50, 16] = np.nan
    clusters = feature_clusters(x, NAMES, clusters=20)
    rows = np.isfinite(x[:, 16])
    clean = feature_clusters(x[rows], NAMES, clusters=20)
    for rule in RULES:
        columns = choose_representatives(clusters, x, y, weights, rule=rule)
        assert columns.size == 20
        assert not {0, 8} & set(columns.tolist())
        alone = choose_representatives(clean, x[rows], y[rows], weights[rows], rule=rule)
        assert columns.tolist() == alone.tolist()


def test_without_clusters_nothing_is_chosen():
    x, y, weights = layer_a_samples(50, seed=10)
    clusters = feature_clusters(np.zeros_like(x), NAMES)
    for rule in RULES:
        assert choose_representatives(clusters, x, y, weights, rule=rule).size == 0


def test_the_medoid_is_chosen_more_steadily_than_the_association():
    choices: dict[Rule, list[set[str]]] = {rule: [] for rule in RULES}
    for seed in range(8):
        x, y, weights = layer_a_samples(500, seed=100 + seed)
        clusters = feature_clusters(x, NAMES, clusters=CLUSTERS)
        for rule in RULES:
            columns = choose_representatives(clusters, x, y, weights, rule=rule)
            choices[rule].append(chosen_names(clusters, columns))
    medoid, association = (selection_stability(choices[r], NAMES).features for r in RULES)
    assert medoid.value is not None
    assert association.value is not None
    assert medoid.value > association.value + 0.1


def test_what_does_not_fit_is_refused():
    x, y, weights = layer_a_samples(50, seed=11)
    clusters = feature_clusters(x, NAMES)
    with pytest.raises(ConfigError, match="one of medoid, association, was 'best'"):
        choose_representatives(clusters, x, y, weights, rule="best")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="49 outcomes, 50 weights and 40 clustered columns"):
        choose_representatives(clusters, x, y[1:], weights)
    with pytest.raises(DataError, match="one class only"):
        choose_representatives(clusters, x, np.ones_like(y), weights, rule="association")
