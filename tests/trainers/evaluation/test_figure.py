"""An interval covers the truth as often as it says, however the days are shared."""

import numpy as np
import pytest

from tests.trainers.evaluation.told import LEVEL, NULL, SPREAD, told_outcomes
from trainers.evaluation.calibration_line import calibration_line
from trainers.evaluation.figure import (
    ONE_DAY,
    SEPARATED,
    Figure,
    auc_figure,
    figure_of,
    mean_figure,
    share_figure,
    unknown,
)
from trainers.metrics import clustered_mean, log_losses

SIMULATIONS = 300


def true_auc_and_gain() -> tuple[float, float]:
    """By quadrature over the probabilities, which no simulation has a part in."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    weights = weights / weights.sum()
    p = 1.0 / (1.0 + np.exp(-(LEVEL + SPREAD * nodes)))
    positives, negatives = weights * p, weights * (1.0 - p)
    below = np.cumsum(negatives) - negatives / 2.0
    own = -(p * np.log(p) + (1.0 - p) * np.log(1.0 - p))
    null = -(p * np.log(NULL) + (1.0 - p) * np.log(1.0 - NULL))
    area = float(positives @ below / (positives.sum() * negatives.sum()))
    return area, float(weights @ (null - own))


def covers(figure: Figure, truth: float) -> bool:
    assert figure.low is not None
    assert figure.high is not None
    return figure.low <= truth <= figure.high


@pytest.mark.parametrize("shared", [0.0, 0.3])
def test_intervals_of_95_percent_cover_the_truth_as_often(shared: float):
    area, gain = true_auc_and_gain()
    truths = {"auc": area, "slope": 1.0, "intercept": 0.0, "level": 0.0, "gain": gain}
    covered = dict.fromkeys([*truths, "rate"], 0)
    rate = float(np.mean([told_outcomes(seed, 4_000)[1].mean() for seed in range(20)]))
    for seed in range(SIMULATIONS):
        outcomes, p = told_outcomes(seed, 800, shared=shared)
        y, days = outcomes.y, outcomes.days
        line = calibration_line(y, p, days)
        gains = log_losses(y, np.full(y.size, NULL)) - log_losses(y, p)
        found = {
            "auc": auc_figure(y, p, days),
            "gain": mean_figure(gains, days),
            **line._asdict(),
        }
        for name, truth in truths.items():
            covered[name] += covers(found[name], truth)
        covered["rate"] += covers(share_figure(y == 1, days), rate)
    shares = {name: count / SIMULATIONS for name, count in covered.items()}
    assert all(0.92 <= share <= 0.975 for share in shares.values()), shares


def test_independent_errors_would_cover_far_too_seldom():
    covered = 0
    for seed in range(100):
        outcomes, p = told_outcomes(seed, 800, per_day=40, shared=0.3)
        line = calibration_line(outcomes.y, p, np.arange(800))
        covered += covers(line.level, 0.0)
    assert covered < 75


def test_auc_error_of_independent_outcomes_is_delongs():
    outcomes, p = told_outcomes(1, 500)
    figure = auc_figure(outcomes.y, p, np.arange(500))
    ones, zeros = p[outcomes.y == 1], p[outcomes.y == 0]
    wins = (ones[:, None] > zeros).astype(float)
    delong = wins.mean(axis=1).var(ddof=1) / ones.size + wins.mean(axis=0).var(ddof=1) / zeros.size
    assert figure.value == pytest.approx(wins.mean())
    assert figure.error == pytest.approx(delong**0.5, rel=0.005)


def test_auc_error_is_that_of_drawing_whole_days_anew():
    outcomes, p = told_outcomes(2, 1_000, per_day=20, shared=0.4)
    figure = auc_figure(outcomes.y, p, outcomes.days)
    rng, drawn = np.random.default_rng(3), []
    by_day = np.arange(1_000).reshape(50, 20)
    for _ in range(400):
        rows = by_day[rng.integers(0, 50, 50)].ravel()
        drawn.append(auc_figure(outcomes.y[rows], p[rows], rows).value)
    assert figure.error == pytest.approx(np.std(drawn), rel=0.15)


def test_mean_has_the_error_that_the_gate_has():
    values = np.random.default_rng(4).normal(size=60)
    days = np.arange(60) // 5
    figure, gate = mean_figure(values, days), clustered_mean(values, days)
    assert (figure.value, figure.error) == pytest.approx(gate[:2])
    assert figure.high - figure.value == pytest.approx(2.200985 * gate.error)


def test_huge_values_stay_within_the_range_of_floats():
    small = mean_figure(np.array([1.0, 2.0, 4.0]), np.arange(3))
    huge = mean_figure(np.array([1.0, 2.0, 4.0]) * 1e200, np.arange(3))
    assert huge.error == pytest.approx(small.error * 1e200)


def test_share_of_which_all_happened_is_not_certain():
    figure = share_figure(np.ones(100, dtype=bool), np.arange(100) // 10)
    assert (figure.value, figure.high) == (1.0, 1.0)
    assert 0.5 < figure.low < 0.75, "ten days are ten outcomes"


def test_wilson_interval_of_independent_outcomes_is_the_textbook_one():
    happened = np.arange(2_000) % 4 == 0
    figure = share_figure(happened, np.arange(2_000))
    z, p, n = 1.9612, 0.25, 2_000
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5 / (1 + z**2 / n)
    assert (figure.low, figure.high) == pytest.approx((middle - reach, middle + reach), rel=1e-3)


def test_what_is_not_defined_says_why():
    y = np.array([0, 0, 1, 1], dtype=np.int8)
    days = np.zeros(4, dtype=np.int64)
    rising = np.array([0.1, 0.2, 0.3, 0.4])
    assert auc_figure(y, rising, days) == Figure(1.0, reason=ONE_DAY)
    assert auc_figure(y, rising, np.arange(4)) == Figure(1.0, reason=SEPARATED)
    assert mean_figure(rising, days) == Figure(0.25, reason=ONE_DAY)
    assert auc_figure(y[:2], rising[:2], days[:2]) == unknown(
        "the outcomes, 2 of them, are all of class 0: both are needed"
    )
    assert mean_figure(rising[:0], days[:0]).reason == "there are no outcomes"


def test_interval_is_cut_where_the_value_cannot_be():
    figure = figure_of(0.9, np.array([0.5, -0.5, 0.1]), np.arange(3), low=0.0, high=1.0)
    assert (figure.low, figure.high) == (0.0, 1.0)
