"""The splitters in scikit-learn's own hands: spans by constructor, by groups, and routed."""

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.neighbors import KNeighborsClassifier

from streams.errors import DataError
from trainers.metrics import auc
from trainers.validation.combinatorial_purged import CombinatorialPurged
from trainers.validation.purged_k_fold import PurgedKFold
from trainers.validation.walk_forward import WalkForward

COUNT = 300
HOLD = 5
START = np.arange(COUNT, dtype=np.int64)
SPANS = np.column_stack((START, START + HOLD))
RNG = np.random.default_rng(3)
X = RNG.standard_normal((COUNT, 3))
Y = (X[:, 0] + RNG.standard_normal(COUNT) > 0.0).astype(int)
KINDS = [
    (PurgedKFold, {"n_splits": 4}),
    (CombinatorialPurged, {"n_groups": 5, "n_test_groups": 2}),
    (WalkForward, {"n_splits": 4}),
    (WalkForward, {"edges": (0, 100, 200, 300), "train_blocks": 1}),
]
HORIZON = 20


def made(kind, options):
    return kind(**options, embargo_ns=3, start_ts=SPANS[:, 0], end_ts=SPANS[:, 1])


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_spans_by_constructor_and_by_groups_score_the_same(kind, options):
    splitter = made(kind, options)
    model = LogisticRegression()
    scores = cross_val_score(model, X, Y, cv=splitter, error_score="raise")
    by_groups = cross_val_score(model, X, Y, cv=kind(**options, embargo_ns=3), groups=SPANS)
    assert len(scores) == splitter.get_n_splits(X, Y)
    assert scores.tolist() == by_groups.tolist()
    by_hand = [
        LogisticRegression().fit(X[train], Y[train]).score(X[test], Y[test])
        for train, test in splitter.split(X, Y)
    ]
    assert scores.tolist() == by_hand


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_a_search_takes_them_and_they_travel_to_its_workers(kind, options):
    splitter = pickle.loads(pickle.dumps(made(kind, options)))
    assert repr(splitter).startswith(f"{kind.__name__}(")
    search = GridSearchCV(LogisticRegression(), {"C": [0.01, 1.0]}, cv=splitter).fit(X, Y)
    assert search.n_splits_ == splitter.get_n_splits(X, Y)


def test_a_search_nested_in_folds_is_handed_the_spans_of_its_rows():
    seen = []

    class Watched(PurgedKFold):
        def split(self, X=None, y=None, groups=None):  # noqa: N803
            seen.append(groups)
            return super().split(X, y, groups)

    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=Watched(3))
        outer = PurgedKFold(3)
        cross_val_score(search, X, Y, cv=outer, params={"groups": SPANS}, error_score="raise")
    trained = [SPANS[split.train].tolist() for split in outer.split(X, groups=SPANS)]
    assert [groups.tolist() for groups in seen] == trained


def test_rows_that_are_not_those_of_the_spans_are_refused():
    splitter = made(PurgedKFold, {"n_splits": 3})
    with pytest.raises(DataError, match=r"X has 200 rows, the labels 300: .* takes their spans as"):
        splitter.split(X[:200])
    with pytest.raises(DataError, match="give start_ts and end_ts to it, or groups="):
        PurgedKFold(3).split(X)
    with pytest.raises(DataError, match=r"groups must be two columns, .* was of shape \(300,\)"):
        PurgedKFold(3).split(X, groups=SPANS[:, 0])


def test_k_fold_predicts_every_row_once():
    splitter = made(PurgedKFold, {"n_splits": 4})
    said = cross_val_predict(LogisticRegression(), X, Y, cv=splitter, method="predict_proba")
    assert np.isfinite(said).all()


def test_the_models_of_the_splits_make_the_paths():
    splitter = made(CombinatorialPurged, {"n_groups": 5, "n_test_groups": 2})
    found = cross_validate(
        LogisticRegression(), X, Y, cv=splitter, return_estimator=True, return_indices=True
    )
    predictions = [
        model.predict_proba(X[rows])[:, 1]
        for model, rows in zip(found["estimator"], found["indices"]["test"], strict=True)
    ]
    paths = splitter.paths(predictions, X)
    assert paths.shape == (4, COUNT)
    assert np.isfinite(paths).all()
    used = splitter.path_splits()
    first = np.flatnonzero(np.isin(np.arange(COUNT), found["indices"]["test"][used[2, 1]]))
    both = np.isin(first, np.arange(60, 120))
    assert paths[2, first[both]].tolist() == predictions[used[2, 1]][both].tolist()


def test_shuffled_folds_see_skill_in_random_walks_and_purged_folds_see_none():
    """The overlap canary: persistent features, and where another walk stands HORIZON bars later.

    The walk's own level is no feature here: within a fold it goes with the next moves even of a
    fair walk, so that the truth would not be a half.
    """
    rng = np.random.default_rng(8)
    start = np.arange(600, dtype=np.int64)
    folds = PurgedKFold(5, start_ts=start, end_ts=start + HORIZON)
    shuffled, purged = [], []
    for seed in range(24):
        walk = np.cumsum(rng.standard_normal((600 + HORIZON, 7)), axis=0)
        y = (walk[HORIZON:, 0] > walk[:-HORIZON, 0]).astype(int)
        for areas, cv in ((shuffled, KFold(5, shuffle=True, random_state=seed)), (purged, folds)):
            said = cross_val_predict(
                KNeighborsClassifier(15), walk[:600, 1:], y, cv=cv, method="predict_proba"
            )
            areas.extend(auc(y[test], said[test, 1]) for _, test in cv.split(y))
    assert np.mean(shuffled) > 0.7
    assert 0.45 < np.mean(purged) < 0.53
