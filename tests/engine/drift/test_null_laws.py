"""Critical values and tails are those of the textbook, and heavier where little is known."""

import math

import pytest
from scipy import stats

from engine.drift.null_laws import f_critical, f_tail, kolmogorov_critical, kolmogorov_tail


@pytest.mark.parametrize("numerator", [1.0, 2.7, 9.0, 40.0])
@pytest.mark.parametrize("denominator", [0.8, 5.5, 28.0, 1e5])
def test_the_law_of_f_is_scipys(numerator: float, denominator: float):
    for x in (0.0, 0.3, 1.0, 4.0, 30.0):
        expected = stats.f.sf(x, numerator, denominator)
        assert f_tail(x, numerator, denominator) == pytest.approx(expected, rel=1e-8)
    for alpha in (0.3, 1e-2, 1e-6):
        critical = f_critical(alpha, numerator, denominator)
        if math.isfinite(critical):
            expected = stats.f.isf(alpha, numerator, denominator)
            assert critical == pytest.approx(expected, rel=1e-6)


def test_a_law_of_next_to_no_freedom_never_alarms():
    assert f_critical(1e-6, 1.0, 0.05) == math.inf
    assert kolmogorov_critical(1e-6, 0.01) == math.inf


@pytest.mark.parametrize("alpha", [0.05, 1e-3, 1e-6])
def test_with_much_freedom_the_distance_has_kolmogorovs_law(alpha: float):
    assert kolmogorov_critical(alpha, 1e8) == pytest.approx(stats.kstwobign.isf(alpha), rel=1e-3)
    assert kolmogorov_tail(kolmogorov_critical(alpha, 12.5), 12.5) == pytest.approx(alpha)


def test_little_freedom_asks_for_more():
    assert kolmogorov_critical(1e-4, 10.0) > 1.2 * kolmogorov_critical(1e-4, 1e6)
    assert kolmogorov_tail(0.0, 10.0) == 1.0
