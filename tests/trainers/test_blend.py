"""A blend is the mean of its members' lines, each on columns of its own."""

import numpy as np
import pytest

from streams.errors import DataError
from tests.trainers.edge_rows import rows_on_edges, run_batch
from tests.trainers.learner_checks import DIFFERENCE_MAX, ROWS, TEST, TRAIN, WIDTH
from trainers.blend import Blend, Member
from trainers.calibrators.platt import Platt
from trainers.learner import load_learner
from trainers.learners import ensemble
from trainers.onnx_export import export, native, prove

TAIL = Platt(1.3, 0.2, ROWS)
LINE_COLUMNS = np.array([5, 1, 30])
TREE_COLUMNS = np.array([30, 2, 3, 9, 17, 22])


def fit(name: str, columns=None, **given):
    x = TRAIN.x if columns is None else np.ascontiguousarray(TRAIN.x[:, columns])
    return load_learner(name).fit(x, TRAIN.y, np.ones(ROWS), seed=7, threads=1, **given)


LINE, TREES = fit("logistic", LINE_COLUMNS), fit("xgboost", TREE_COLUMNS)
BLEND = Blend((Member(LINE, 0.7, -0.3, LINE_COLUMNS), Member(TREES, 1.4, 0.1, TREE_COLUMNS)))


def test_a_margin_is_the_mean_of_lines_through_its_members():
    line = 0.7 * LINE.margin(TEST.x[:, LINE_COLUMNS]) - 0.3
    trees = 1.4 * TREES.margin(np.ascontiguousarray(TEST.x[:, TREE_COLUMNS])) + 0.1
    assert BLEND.margin(TEST.x) == pytest.approx((line + trees) / 2)


def test_a_blend_on_columns_of_its_own_is_served_as_it_was_made():
    onnx = export(BLEND, TAIL, WIDTH)
    rows = rows_on_edges(BLEND, WIDTH, 2_000, seed=1)
    assert np.abs(run_batch(onnx, rows) - native(BLEND, TAIL, rows)).max() <= DIFFERENCE_MAX
    assert prove(onnx, BLEND, TAIL, TEST.x[:20]) <= DIFFERENCE_MAX


def test_edges_are_named_by_the_columns_of_the_blend():
    own = {(int(TREE_COLUMNS[column]), value) for column, value in TREES.edges()}
    assert BLEND.edges() == sorted(own)
    assert {column for column, _ in own} <= set(TREE_COLUMNS.tolist())


def test_columns_that_no_member_names_count_for_nothing():
    others = np.setdiff1d(np.arange(WIDTH), np.union1d(LINE_COLUMNS, TREE_COLUMNS))
    moved = TEST.x.copy()
    moved[:, others] += 1.0
    assert (BLEND.margin(moved) == BLEND.margin(TEST.x)).all()


def test_a_null_member_counts_on_columns_of_its_own_too():
    null = Member(fit("constant"), 1.0, 0.4, np.array([8, 9]))
    blend = Blend((*BLEND.members, null))
    assert blend.margin(TEST.x) == pytest.approx((2 * BLEND.margin(TEST.x) + 0.4) / 3)
    said = run_batch(export(blend, TAIL, WIDTH), TEST.x)
    assert said == pytest.approx(native(blend, TAIL, TEST.x), abs=DIFFERENCE_MAX)


def test_a_blend_may_be_a_member():
    outer = Blend((Member(BLEND, 2.0, 0.5), Member(fit("logistic"))))
    said = run_batch(export(outer, TAIL, WIDTH), TEST.x)
    assert said == pytest.approx(native(outer, TAIL, TEST.x), abs=DIFFERENCE_MAX)


def test_a_steep_line_far_from_zero_is_served_as_it_was_made():
    middle = float(np.median(TREES.margin(TEST.x[:, TREE_COLUMNS])))
    blend = Blend((Member(TREES, 3e4, -3e4 * middle, TREE_COLUMNS), BLEND.members[0]))
    said = run_batch(export(blend, Platt(1e-3, 0.0, ROWS), WIDTH), TEST.x)
    known = native(blend, Platt(1e-3, 0.0, ROWS), TEST.x)
    assert np.ptp(known) > 0.5
    assert np.abs(said - known).max() <= DIFFERENCE_MAX


def test_a_blend_of_nothing_is_refused():
    with pytest.raises(DataError, match="at least one member, got none"):
        Blend(())


def test_the_ensemble_is_the_mean_of_the_boosters_as_they_were_told():
    params = ensemble.Params(xgboost=load_learner("xgboost").Params(depth=4))
    together = fit("ensemble", params=params)
    boosters = (fit("lightgbm"), fit("xgboost", params=params.xgboost), fit("catboost"))
    mean = np.mean([one.margin(TEST.x) for one in boosters], axis=0)
    assert together.margin(TEST.x) == pytest.approx(mean, abs=1e-12)
    assert together.margin(TEST.x) != pytest.approx(fit("ensemble").margin(TEST.x), abs=1e-3)
