"""The method is chosen by what the sample can carry."""

import numpy as np
import pytest

from streams.errors import ConfigError
from tests.trainers.calibrators.margins import bent, draw, excess_loss, stepped, straight
from tests.trainers.samples import layer_a_dataset
from trainers.calibrators.beta import fit_beta
from trainers.calibrators.calibrate import (
    FOLDS,
    ISOTONIC_DAYS,
    METHODS,
    PLATT_ROWS,
    calibrate,
    day_folds,
)
from trainers.calibrators.calibrator import base_rate, sigmoid
from trainers.calibrators.isotonic import fit_isotonic
from trainers.calibrators.platt import fit_platt
from trainers.learners import lightgbm as lightgbm_learner
from trainers.metrics import log_losses

SEEDS = 8


def chosen(truth, count: int, days=None) -> list[str]:
    names = []
    for seed in range(SEEDS):
        margin, y, weights, own_days = draw(truth, count, seed)
        names.append(calibrate(margin, y, weights, own_days if days is None else days).name)
    return names


def test_a_step_is_isotonic_only_from_two_thousand_rows():
    assert set(chosen(stepped, 1_800)) <= {"platt", "beta"}
    assert chosen(stepped, 5_000).count("isotonic") >= SEEDS - 1


def test_a_bend_is_beta_from_a_thousand_rows():
    assert set(chosen(bent, 900)) == {"platt"}
    assert chosen(bent, 2_000).count("beta") >= SEEDS - 2


def test_isotonic_must_lead_by_more_than_its_error():
    # Without that it would be taken in 6 of these 8, for a loss that is higher.
    assert chosen(bent, 2_200).count("isotonic") <= 2


def test_a_line_is_never_isotonic():
    assert "isotonic" not in chosen(straight, 3_000)


def test_few_days_carry_no_more_than_platt_however_many_their_rows():
    few = np.arange(5_000) % 20
    assert set(chosen(stepped, 5_000, few)) == {"platt"}
    assert "isotonic" not in chosen(stepped, 5_000, np.arange(5_000) % (ISOTONIC_DAYS - 1))


def test_heavy_weights_on_few_rows_make_a_small_sample():
    margin, y, _, days = draw(stepped, 5_000)
    weights = np.where(np.arange(5_000) % 50 == 0, 1.0, 1e-6)
    calibration = calibrate(margin, y, weights, days)
    assert calibration.name == "platt"
    whole = fit_platt(margin, y, weights)
    assert calibration.figures()["slope"] == pytest.approx(
        whole.slope * np.sqrt(100 / PLATT_ROWS), rel=1e-3
    )


def test_a_small_sample_is_drawn_towards_its_base_rate():
    margin, y, weights, days = draw(straight, 60)
    weights = np.ones(60)
    plain, drawn = fit_platt(margin, y, weights), calibrate(margin, y, weights, days)
    rate = base_rate(y, weights)
    middle = (plain.log_odds(margin), np.full(60, np.log(rate / (1.0 - rate))))
    share = np.sqrt(60 / PLATT_ROWS)
    assert drawn.probability(margin) == pytest.approx(
        sigmoid(share * middle[0] + (1.0 - share) * middle[1]), abs=1e-12
    )


def test_at_the_limit_nothing_is_drawn_any_more():
    margin, y, _, days = draw(straight, PLATT_ROWS)
    weights = np.ones(PLATT_ROWS)
    assert calibrate(margin, y, weights, days) == fit_platt(margin, y, weights)


@pytest.mark.parametrize(
    ("method", "fit"), [("platt", fit_platt), ("beta", fit_beta), ("isotonic", fit_isotonic)]
)
def test_a_named_method_is_used_at_any_size(method: str, fit):
    margin, y, weights, days = draw(bent, 120)
    said = calibrate(margin, y, weights, days, method=method).probability(margin)
    assert (said == fit(margin, y, weights).probability(margin)).all()


def test_an_unknown_method_names_the_known():
    margin, y, weights, days = draw(straight, 100)
    with pytest.raises(ConfigError, match="calibration 'plat' is not known: did you mean platt"):
        calibrate(margin, y, weights, days, method="plat")
    assert METHODS == ("auto", "beta", "isotonic", "platt")


def test_the_choice_costs_little_on_a_line_and_gains_on_a_step():
    def mean_loss(truth, method: str) -> float:
        draws = (draw(truth, 3_000, seed) for seed in range(SEEDS))
        return float(np.mean([excess_loss(calibrate(*d, method=method), truth) for d in draws]))

    assert mean_loss(straight, "auto") < mean_loss(straight, "platt") + 3e-4
    assert mean_loss(stepped, "auto") < 0.6 * mean_loss(stepped, "platt")


def test_folds_are_whole_days_in_a_row_of_about_one_size():
    days = np.repeat(np.arange(100), np.random.default_rng(1).integers(1, 20, 100))
    order = np.random.default_rng(2).permutation(days.size)
    folds = day_folds(days)
    assert (folds[order] == day_folds(days[order])).all()
    assert (np.diff(folds) >= 0).all()
    assert all(np.unique(folds[days == day]).size == 1 for day in range(100))
    sizes = np.bincount(folds)
    assert sizes.size == FOLDS
    assert sizes.max() - sizes.min() <= 40


def test_raw_boosted_trees_lose_to_a_constant_and_platt_mends_them():
    """SCIENCE.md, section 1: LightGBM's own defaults at 1,500 rows, 200 to calibrate on."""
    raw_excess, mended_excess = [], []
    params = lightgbm_learner.Params(
        learning_rate=0.1, leaves=31, column_share=1.0, row_share=1.0, lambda_l2=0.0
    )
    for seed in range(3):
        data = layer_a_dataset(1_500 + 200 + 3_000, seed, bayes_auc=0.62)
        train, held, test = (
            data.take(np.arange(*bounds)) for bounds in ((0, 1_500), (1_500, 1_700), (1_700, 4_700))
        )
        fitted = lightgbm_learner.fit(
            train.x, train.y, np.ones(1_500), seed=7, threads=1, params=params
        )
        calibration = calibrate(fitted.margin(held.x), held.y, np.ones(200), held.days)
        rate = float(train.y.mean())
        null = log_losses(test.y, np.full(3_000, rate)).mean()
        margin = fitted.margin(test.x)
        raw_excess.append(log_losses(test.y, sigmoid(margin)).mean() - null)
        mended_excess.append(log_losses(test.y, calibration.probability(margin)).mean() - null)
    assert min(raw_excess) > 0.02
    assert np.mean(mended_excess) < 0.0
