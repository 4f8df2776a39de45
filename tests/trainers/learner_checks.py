"""What a learner must keep, whoever wrote it: `CHECKS` is run on every file of the room."""

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.search_range import SearchRange, search_ranges
from streams.errors import ConfigError
from streams.strict import decode_strict
from tests.trainers.edge_rows import FLOAT32_MAX, margin_graph, rows_on_edges, run_batch
from tests.trainers.samples import layer_a_dataset
from trainers.calibrators.platt import Platt
from trainers.learner import Fitted, Learner
from trainers.metrics import auc
from trainers.onnx_export import export, native, prove, run_rows
from trainers.tuning.fold_plan import FOLD_ROWS_MIN

ROWS, WIDTH = 600, 40
SMALL_ROWS, SMALL_WIDTH = 120, 4
DATA = layer_a_dataset(ROWS + 1_000, seed=11)
TRAIN, TEST = DATA.take(np.arange(ROWS)), DATA.take(np.arange(ROWS, ROWS + 1_000))
WEIGHTS = np.random.default_rng(3).uniform(0.5, 1.5, ROWS)
TAIL = Platt(0.9, -0.1, ROWS)
DIFFERENCE_MAX = 1e-6

WILD = np.array([0.0, -0.0, 1e-45, -1e-45, 1e-40, 1e-36, 1e30, -1e30], dtype=np.float32)


@cache
def fitted_once(learner: Learner) -> Fitted:
    """The default model of the training rows: most checks only ask it."""
    return fit(learner)


def fit(learner: Learner, **changed: Any) -> Fitted:
    given: dict[str, Any] = {"seed": 7, "threads": 1} | changed
    x, y = given.pop("x", TRAIN.x), given.pop("y", TRAIN.y)
    weights = given.pop("weights", WEIGHTS if len(y) == ROWS else np.ones(len(y)))
    return learner.fit(x, y, weights, **given)


def small_sample(seed: int = 1) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((SMALL_ROWS, SMALL_WIDTH)).astype(np.float32)
    return x, (rng.random(SMALL_ROWS) < 1.0 / (1.0 + np.exp(-x[:, 0]))).astype(np.int8)


def assert_served_as_trained(fitted: Fitted, x: NDArray[np.float32]) -> None:
    said, known = run_batch(export(fitted, TAIL, x.shape[1]), x), native(fitted, TAIL, x)
    assert np.isfinite(known).all()
    assert np.abs(said - known).max() <= DIFFERENCE_MAX


def is_skilled(learner: Learner) -> bool:
    return float(np.ptp(fitted_once(learner).margin(TEST.x))) > 0.0


def onnx_agrees_on_every_edge_and_one_ulp_beside(learner: Learner) -> None:
    fitted = fitted_once(learner)
    assert prove(export(fitted, TAIL, WIDTH), fitted, TAIL, TEST.x[:50]) <= DIFFERENCE_MAX
    assert_served_as_trained(fitted, rows_on_edges(fitted, WIDTH, 2_000, seed=5))


def edges_are_sorted_columns_and_float32_values(learner: Learner) -> None:
    edges = fitted_once(learner).edges()
    assert edges == sorted(set(edges))
    assert all(0 <= column < WIDTH and np.float32(value) == value for column, value in edges)


def between_its_edges_a_margin_with_edges_is_flat(learner: Learner) -> None:
    fitted = fitted_once(learner)
    edges = fitted.edges()
    if not edges:
        return
    column = edges[0][0]
    values = np.array([value for at, value in edges if at == column], dtype=np.float32)
    inside = values[:-1] + (values[1:] - values[:-1]) / 2
    nearer = values[:-1] + (values[1:] - values[:-1]) / 4
    rows = np.repeat(TEST.x[:1], 2 * len(inside), axis=0)
    rows[:, column] = np.concatenate((inside, nearer))
    halves = fitted.margin(rows).reshape(2, -1)
    assert (halves[0] == halves[1]).all()


def fitting_twice_gives_the_same_model_bit_for_bit(learner: Learner) -> None:
    one, other = fitted_once(learner), fit(learner)
    assert (one.margin(TEST.x) == other.margin(TEST.x)).all()
    assert export(one, TAIL, WIDTH) == export(other, TAIL, WIDTH)


def two_threads_give_the_model_of_one(learner: Learner) -> None:
    told = learner.Params()
    if any(isinstance(getattr(told, name), msgspec.Struct) for name in told.__struct_fields__):
        return  # It is made of others, each of which is checked.
    x, y = small_sample()
    one, other = (fit(learner, x=x, y=y, threads=threads) for threads in (1, 2))
    assert margin_graph(one, SMALL_WIDTH) == margin_graph(other, SMALL_WIDTH)


def what_it_is_given_stays_as_it_was(learner: Learner) -> None:
    x, y, weights = TRAIN.x.copy(), TRAIN.y.copy(), WEIGHTS.copy()
    fit(learner, x=x, y=y, weights=weights).margin(x)
    assert (x == TRAIN.x).all()
    assert (y == TRAIN.y).all()
    assert (weights == WEIGHTS).all()


def a_row_alone_is_answered_as_in_company(learner: Learner) -> None:
    fitted = fitted_once(learner)
    together = fitted.margin(TEST.x[:20])
    alone = np.concatenate([fitted.margin(TEST.x[row : row + 1]) for row in range(20)])
    assert together.shape == (20,)
    assert together.dtype == np.float64
    assert alone == pytest.approx(together, abs=1e-12)
    onnx = export(fitted, TAIL, WIDTH)
    assert run_rows(onnx, TEST.x[:20]) == pytest.approx(run_batch(onnx, TEST.x[:20]), abs=1e-7)


def a_margin_rises_with_the_outcome(learner: Learner) -> None:
    if is_skilled(learner):
        assert auc(TEST.y, fitted_once(learner).margin(TEST.x)) > 0.6


def rows_of_no_weight_teach_next_to_nothing(learner: Learner) -> None:
    heard = np.arange(ROWS) % 2 == 0
    turned = np.where(heard, TRAIN.y, 1 - TRAIN.y).astype(np.int8)

    def taught(weights: NDArray[np.float64]) -> float:
        one, other = (fit(learner, y=y, weights=weights) for y in (TRAIN.y, turned))
        return float((one.margin(TEST.x) - other.margin(TEST.x)).std())

    # They still count as rows of a leaf, where a library counts rows, and break its ties.
    assert taught(np.where(heard, 1.0, 1e-9)) <= 0.15 * taught(np.ones(ROWS))


def only_the_proportions_of_weights_count(learner: Learner) -> None:
    x, y = small_sample()
    weights = np.random.default_rng(4).uniform(0.5, 1.5, SMALL_ROWS)
    one, other = (fit(learner, x=x, y=y, weights=scale * weights) for scale in (1.0, 2.0**-40))
    assert margin_graph(one, SMALL_WIDTH) == margin_graph(other, SMALL_WIDTH)


def a_class_that_weighs_nothing_is_no_obstacle(learner: Learner) -> None:
    x, y = small_sample()
    assert_served_as_trained(fit(learner, x=x, y=y, weights=y.astype(np.float64)), x)


def heavier_wins_raise_the_margin(learner: Learner) -> None:
    if is_skilled(learner):
        heavy = fit(learner, weights=np.where(TRAIN.y == 1, 2.0, 1.0)).margin(TEST.x)
        assert heavy.mean() > fit(learner, weights=np.ones(ROWS)).margin(TEST.x).mean() + 0.05


def the_fewest_rows_of_a_fold_are_enough(learner: Learner) -> None:
    few = slice(FOLD_ROWS_MIN)
    for y in (TRAIN.y[few], np.eye(1, FOLD_ROWS_MIN, dtype=np.int8)[0]):
        fitted = fit(learner, x=TRAIN.x[few], y=y)
        assert_served_as_trained(fitted, np.concatenate((TEST.x[:50], TRAIN.x[few])))


def columns_that_stand_still_are_no_obstacle(learner: Learner) -> None:
    x, y = small_sample()
    for still in ([1], [0, 1, 2, 3]):
        constant = x.copy()
        constant[:, still] = np.float32(0.1)
        fitted = fit(learner, x=constant, y=y)
        assert_served_as_trained(fitted, np.concatenate((constant, x)))
        assert not {column for column, _ in fitted.edges()} & set(still)


def huge_and_tiny_values_are_served_as_trained(learner: Learner) -> None:
    x, y = small_sample()
    scales = np.array([1e30, 1e-30, 1e-40, 1e-44], dtype=np.float32)
    spread = x * scales
    fitted = fit(learner, x=spread, y=y)
    wild = np.random.default_rng(2).choice(WILD, size=(500, SMALL_WIDTH))
    for rows in (spread, wild, rows_on_edges(fitted, SMALL_WIDTH, 500, seed=3)):
        assert_served_as_trained(fitted, rows)


def the_ends_of_float32_are_served_as_trained(learner: Learner) -> None:
    x, y = small_sample()
    ends = np.where(x < 0.0, np.float32(0.0), FLOAT32_MAX)
    near = np.float32(0.9) * FLOAT32_MAX * np.abs(np.tanh(x))
    still = np.full_like(x, -FLOAT32_MAX)
    for seen in (ends, -near, still):
        fitted = fit(learner, x=seen, y=y)
        for rows in (ends, -ends, -near, still):
            assert_served_as_trained(fitted, rows)
        assert all(np.isfinite(value) for _, value in fitted.edges())


def few_values_in_steps_are_served_as_trained(learner: Learner) -> None:
    steps = np.array([-1.0, -1e-36, -0.0, 0.0, 1e-36, 1e-35, 0.1, 1.0], dtype=np.float32)
    x = np.random.default_rng(5).choice(steps, size=(500, SMALL_WIDTH))
    chance = np.where(np.abs(x[:, 0]) < 0.05, 0.2, 0.8)
    y = (np.random.default_rng(6).random(500) < chance).astype(np.int8)
    fitted = fit(learner, x=x, y=y)
    assert_served_as_trained(fitted, x)
    assert_served_as_trained(fitted, np.random.default_rng(7).choice(WILD, size=(500, 4)))


def what_it_may_be_told_is_read_strictly(learner: Learner) -> None:
    with pytest.raises(ConfigError, match="no_such_thing"):
        decode_strict({"no_such_thing": 1}, learner.Params, "learner")
    told = msgspec.to_builtins(learner.Params())
    assert decode_strict(told, learner.Params, "learner") == learner.Params()


def what_it_is_not_told_is_the_default(learner: Learner) -> None:
    told = fit(learner, params=learner.Params())
    assert margin_graph(told, WIDTH) == margin_graph(fitted_once(learner), WIDTH)


def the_default_lies_within_what_a_search_tries(learner: Learner) -> None:
    for name, one in search_ranges(learner.Params).items():
        value = getattr(learner.Params(), name)
        assert value in one.choices if one.kind == "choice" else one.low <= value <= one.high, name
        assert not one.log or one.low > 0, name


def every_end_of_its_search_fits(learner: Learner) -> None:
    x, y = small_sample()
    for one in search_ranges(learner.Params).values():
        for value in ends_of(one):
            params = decode_strict({one.name: value}, learner.Params, "learner")
            assert_served_as_trained(fit(learner, x=x, y=y, params=params), x)


def ends_of(one: SearchRange) -> tuple[Any, ...]:
    if one.kind == "choice":
        return one.choices
    return (int(one.low), int(one.high)) if one.kind == "int" else (one.low, one.high)


CHECKS: tuple[Callable[[Learner], None], ...] = (
    onnx_agrees_on_every_edge_and_one_ulp_beside,
    edges_are_sorted_columns_and_float32_values,
    between_its_edges_a_margin_with_edges_is_flat,
    fitting_twice_gives_the_same_model_bit_for_bit,
    two_threads_give_the_model_of_one,
    what_it_is_given_stays_as_it_was,
    a_row_alone_is_answered_as_in_company,
    a_margin_rises_with_the_outcome,
    rows_of_no_weight_teach_next_to_nothing,
    only_the_proportions_of_weights_count,
    a_class_that_weighs_nothing_is_no_obstacle,
    heavier_wins_raise_the_margin,
    the_fewest_rows_of_a_fold_are_enough,
    columns_that_stand_still_are_no_obstacle,
    huge_and_tiny_values_are_served_as_trained,
    the_ends_of_float32_are_served_as_trained,
    few_values_in_steps_are_served_as_trained,
    what_it_may_be_told_is_read_strictly,
    what_it_is_not_told_is_the_default,
    the_default_lies_within_what_a_search_tries,
    every_end_of_its_search_fits,
)
