"""The folds of a span, planned once: columns chosen and rows cut out, for every trial and learner.

What depends on the samples alone is done here, so that a trial only fits and predicts. Columns
are chosen on a fold's own training rows: what is tested, and what lies outside the fold, is never
looked at.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.vector import SIGNAL_NAMES
from streams.errors import DataError
from trainers.columns import complete_rows, usable_columns
from trainers.dataset import Dataset
from trainers.learner import load_learner
from trainers.selection.feature_clusters import CLUSTERS, feature_clusters
from trainers.selection.representatives import Rule, choose_representatives
from trainers.splits import Split

FOLD_ROWS_MIN = 20
"""Fewer teach nothing that a calibration could tell from chance."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ChooseColumns = Callable[[Dataset, Floats], Ints]
"""Takes training samples and their weights, and returns columns, int64[k] ascending."""


@dataclass(frozen=True, slots=True)
class PlannedFold:
    """A fold that can be fitted: both classes, FOLD_ROWS_MIN rows or more, none incomplete.

    `number` is that of its split, from 0. `columns` int64[k] of the served vector; `train`
    int64[m] are the rows of `x` float32[m, k], `y` int8[m] and `weights` float64[m]; `test`
    int64[t] those of `x_test` float32[t, k]. Arrays are C-contiguous and read-only: many trials
    read them at a time.
    """

    number: int
    columns: Ints
    train: Ints
    x: NDArray[np.float32]
    y: NDArray[np.int8]
    weights: Floats
    test: Ints
    x_test: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FoldPlan:
    """The folds of `samples`, with one weight each; those that cannot be fitted are left out.

    A row may be tested by several folds, as in combinatorial validation.
    """

    samples: Dataset
    weights: Floats
    folds: tuple[PlannedFold, ...]

    @property
    def choices(self) -> tuple[tuple[str, ...], ...]:
        """The names of the columns that each fold chose."""
        names = self.samples.names
        return tuple(tuple(names[column] for column in fold.columns) for fold in self.folds)

    @property
    def tested(self) -> NDArray[np.bool_]:
        """Which samples some fold predicts, bool[n]."""
        found = np.zeros(len(self.samples), dtype=np.bool_)
        for fold in self.folds:
            found[fold.test] = True
        return found


def choose_columns(
    samples: Dataset, weights: Floats, *, clusters: int | None = CLUSTERS, rule: Rule = "medoid"
) -> Ints:
    """Return the columns to fit `samples` with, int64[k] ascending: one for each cluster.

    Of the columns that are usable. The signal's own score and side stand for themselves, for no
    feature is a substitute of them; without `clusters` every usable column does. Errors as
    `feature_clusters` and `choose_representatives`.
    """
    usable = usable_columns(samples.x)
    is_own = np.array([samples.names[column] in SIGNAL_NAMES for column in usable], np.bool_)
    features = usable[~is_own]
    if clusters is None or features.size == 0:
        return usable
    x = np.ascontiguousarray(samples.x[:, features])
    found = feature_clusters(x, [samples.names[c] for c in features], clusters=clusters)
    chosen = choose_representatives(found, x, samples.y, weights, rule=rule)
    return np.sort(np.concatenate((usable[is_own], features[chosen])))


def plan_folds(
    samples: Dataset,
    weights: Floats,
    splits: Iterable[Split],
    *,
    clusters: int | None = CLUSTERS,
    rule: Rule = "medoid",
    choose: ChooseColumns | None = None,
) -> FoldPlan:
    """Return the plan of `splits`, row numbers of `samples`. Errors as `choose_columns`.

    `choose` is given the training samples of a fold, in place of `choose_columns`. Raises
    DataError where the weights are not one for each sample.
    """
    if choose is None:
        choose = partial(choose_columns, clusters=clusters, rule=rule)
    if weights.shape != (len(samples),):
        raise DataError(
            f"weights must be one for each of {len(samples)} samples, were of shape {weights.shape}"
        )
    found = (
        _planned(samples, weights, number, split, choose) for number, split in enumerate(splits)
    )
    return FoldPlan(samples, weights, tuple(fold for fold in found if fold is not None))


def out_of_fold(
    plan: FoldPlan, learner: str, params: msgspec.Struct | None = None, *, seed: int, threads: int
) -> Floats:
    """Return the margins of what each fold predicts, float64[n]; NaN where none does.

    The mean where several folds predict a row. `params` are the learner's own, else its defaults.
    """
    total, count = np.zeros(len(plan.samples)), np.zeros(len(plan.samples))
    for fold in plan.folds:
        total[fold.test] += fold_margin(fold, learner, params, seed=seed, threads=threads)
        count[fold.test] += 1
    margins: Floats = np.divide(total, count, out=np.full(total.size, np.nan), where=count > 0)
    return margins


def fold_margin(
    fold: PlannedFold, learner: str, params: msgspec.Struct | None, *, seed: int, threads: int
) -> Floats:
    """Return the margins of the fold's test rows, float64[t], by a model of its training rows."""
    module = load_learner(learner)
    fitted = module.fit(
        fold.x,
        fold.y,
        fold.weights,
        seed=seed,
        threads=threads,
        params=module.Params() if params is None else params,
    )
    margin: Floats = fitted.margin(fold.x_test)
    return margin


def _planned(
    samples: Dataset, weights: Floats, number: int, split: Split, choose: ChooseColumns
) -> PlannedFold | None:
    if not _can_be_fitted(samples.y[split.train]):
        return None
    columns = choose(samples.take(split.train), weights[split.train])
    train, test = (rows[complete_rows(samples.x[rows], columns)] for rows in split)
    if columns.size == 0 or test.size == 0 or not _can_be_fitted(samples.y[train]):
        return None
    fold = PlannedFold(
        number=number,
        columns=columns,
        train=train,
        x=np.ascontiguousarray(samples.x[np.ix_(train, columns)]),
        y=samples.y[train],
        weights=weights[train],
        test=test,
        x_test=np.ascontiguousarray(samples.x[np.ix_(test, columns)]),
    )
    for array in (fold.columns, fold.train, fold.x, fold.y, fold.weights, fold.test, fold.x_test):
        array.flags.writeable = False
    return fold


def _can_be_fitted(y: NDArray[np.int8]) -> bool:
    return y.size >= FOLD_ROWS_MIN and 0 < int(y.sum()) < y.size
