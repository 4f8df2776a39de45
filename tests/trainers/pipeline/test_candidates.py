"""Which models the search's learners make, and which of them is taken."""

import numpy as np
import pytest

from trainers.calibrators.calibrator import sigmoid
from trainers.calibrators.platt import fit_platt
from trainers.pipeline.candidates import (
    BLEND,
    ENSEMBLE,
    ROWS_MIN,
    calibrated,
    candidates_of,
    choose,
    null_probability,
)
from trainers.tuning.tuning import Tuned

COUNT = 600


@pytest.fixture
def world():
    rng = np.random.default_rng(3)
    margin = rng.standard_normal(COUNT)
    y = (rng.random(COUNT) < sigmoid(margin)).astype(np.int8)
    return rng, margin, y, np.ones(COUNT), np.arange(COUNT) // 5


def tuned_of(margins):
    return {name: Tuned(name, None, column, (), True, 0.0, 0.0) for name, column in margins.items()}


def test_boosters_count_once_in_the_blend(world):
    rng, margin, y, weights, _ = world
    names = ("lightgbm", "xgboost", "catboost", "logistic", "random_forest")
    margins = {name: margin + rng.standard_normal(COUNT) for name in names}
    found = {one.name: one for one in candidates_of(tuned_of(margins), y, weights, together=True)}
    assert tuple(found) == (*names, ENSEMBLE, BLEND)
    assert found[ENSEMBLE].members == names[:3]
    assert found[BLEND].members == (ENSEMBLE, "logistic", "random_forest")
    mean = np.mean([margins[name] for name in names[:3]], axis=0)
    np.testing.assert_allclose(found[ENSEMBLE].margins, mean, rtol=1e-12)
    lines = []
    for column in (mean, margins["logistic"], margins["random_forest"]):
        platt = fit_platt(column, y, weights)
        lines.append(platt.slope * column + platt.intercept)
    np.testing.assert_allclose(found[BLEND].margins, np.mean(lines, axis=0), rtol=1e-12)


@pytest.mark.parametrize(
    ("names", "made"),
    [
        (("lightgbm",), ("lightgbm",)),
        (("lightgbm", "xgboost"), ("lightgbm", "xgboost", ENSEMBLE)),
        (("lightgbm", "logistic"), ("lightgbm", "logistic", BLEND)),
        (("logistic", "random_forest"), ("logistic", "random_forest", BLEND)),
    ],
)
def test_a_mean_needs_two(world, names, made):
    _, margin, y, weights, _ = world
    tuned = tuned_of(dict.fromkeys(names, margin))
    assert tuple(one.name for one in candidates_of(tuned, y, weights, together=True)) == made
    assert tuple(one.name for one in candidates_of(tuned, y, weights, together=False)) == names


def test_a_learner_that_said_next_to_nothing_is_no_candidate(world):
    _, margin, y, weights, _ = world
    silent = np.where(np.arange(COUNT) < ROWS_MIN - 1, margin, np.nan)
    tuned = tuned_of({"lightgbm": silent, "logistic": margin})
    assert [one.name for one in candidates_of(tuned, y, weights, together=True)] == ["logistic"]


def test_a_member_is_taken_only_where_it_is_better_beyond_chance(world):
    rng, margin, y, weights, days = world
    worthless = rng.standard_normal(COUNT)
    level = candidates_of(
        tuned_of({"lightgbm": margin, "logistic": margin + 0.05 * worthless}),
        y,
        weights,
        together=True,
    )
    assert taken(level, y, weights, days) == BLEND
    uneven = candidates_of(
        tuned_of({"lightgbm": margin, "logistic": worthless}), y, weights, together=True
    )
    # The blend itself is only as good: its slopes do the choosing. Against the line it is clear.
    assert taken((uneven[1], uneven[0]), y, weights, days) == "lightgbm"


def test_without_a_mean_the_first_learner_is_taken_unless_another_is_clearly_better(world):
    rng, margin, y, weights, days = world
    near = {"lightgbm": margin, "logistic": margin + 0.01 * rng.standard_normal(COUNT)}
    for order in (near, dict(reversed(near.items()))):
        found = candidates_of(tuned_of(order), y, weights, together=False)
        assert taken(found, y, weights, days) == next(iter(order))


def test_what_nobody_said_together_decides_nothing(world):
    _, margin, y, weights, days = world
    early = np.where(np.arange(COUNT) < 300, 5.0 * margin, np.nan)
    late = np.where(np.arange(COUNT) >= 300, margin, np.nan)
    found = candidates_of(
        tuned_of({"lightgbm": early, "logistic": late}), y, weights, together=False
    )
    assert taken(found, y, weights, days) == "lightgbm"


def taken(candidates, y, weights, days):
    said = {}
    for one in candidates:
        rows = np.isfinite(one.margins)
        said[one.name] = calibrated(
            one.margins, fit_platt(one.margins[rows], y[rows], weights[rows])
        )
    return choose(candidates, said, y, days).name


def test_the_null_is_of_the_samples_that_were_told(world):
    _, margin, y, weights, _ = world
    told = np.where(y == 1, margin, np.nan)
    assert null_probability(told, y, weights) > 0.99
    assert np.isnan(calibrated(told, fit_platt(margin, y, weights))).sum() == (y == 0).sum()


def test_a_blend_fits_its_members_as_they_were_alone(world):
    rng, _, y, weights, _ = world
    x = rng.standard_normal((COUNT, 4)).astype(np.float32)
    tuned = tuned_of(
        {"lightgbm": x[:, 0].astype(np.float64), "logistic": x[:, 1].astype(np.float64)}
    )
    single, line, blend = candidates_of(tuned, y, weights, together=True)
    fitted = blend.fit(x, y, weights, seed=7, threads=1).margin(x)
    alone = [
        slope * one.fit(x, y, weights, seed=7, threads=1).margin(x) + shift
        for one, slope, shift in blend.parts
    ]
    np.testing.assert_allclose(fitted, np.mean(alone, axis=0), rtol=1e-12)
    assert [part.name for part, _, _ in blend.parts] == [single.name, line.name]
