"""Critical values under no change, where the variance is itself an estimate.

Numbers of a market come in runs, so the variance of a statistic is measured, with some degrees of
freedom, and is itself a matter of luck: tails are heavier than those of the textbook.
"""

import math

FRACTION_TERMS_MAX = 500
BISECTIONS = 100

_TINY = 1e-300
_ACCURACY = 1e-12


def f_critical(alpha: float, numerator: float, denominator: float) -> float:
    """Return x with P(F > x) = alpha, F of Fisher's law with these degrees of freedom, all > 0.

    A law of few degrees of freedom has no bound worth the name: inf is returned beyond 1e12.

    >>> round(f_critical(0.05, 9.0, 28.0), 3)
    2.236
    """
    low, high = 0.0, 1.0
    while f_tail(high, numerator, denominator) > alpha:
        low, high = high, 2.0 * high
        if high > 1.0 / _ACCURACY:
            return math.inf
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if f_tail(middle, numerator, denominator) > alpha:
            low = middle
        else:
            high = middle
    return high


def f_tail(x: float, numerator: float, denominator: float) -> float:
    """Return P(F > x) for x >= 0, by the incomplete beta function."""
    return _beta_share(denominator / (denominator + numerator * x), denominator / 2, numerator / 2)


def kolmogorov_tail(x: float, freedom: float) -> float:
    """Return at most 1, P(√n D > x), where n is measured with `freedom` degrees.

    The first term of Kolmogorov's law, 2 exp(-2 x²), with x² times χ²/freedom averaged over χ².
    """
    return min(1.0, 2.0 * math.exp(-freedom / 2.0 * math.log1p(4.0 * x * x / freedom)))


def kolmogorov_critical(alpha: float, freedom: float) -> float:
    """Return the x of which `kolmogorov_tail` is alpha.

    >>> round(kolmogorov_critical(0.05, 1e9), 3)
    1.358
    """
    power = 2.0 / freedom * math.log(2.0 / alpha)
    return math.sqrt(freedom / 4.0 * math.expm1(power)) if power < 700.0 else math.inf


def _beta_share(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), by Lentz's continued fraction."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _beta_share(1.0 - x, b, a)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front += a * math.log(x) + b * math.log1p(-x)
    c, d = 1.0, 1.0 / _off_zero(1.0 - (a + b) * x / (a + 1.0))
    fraction = d
    for m in range(1, FRACTION_TERMS_MAX):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        for term in (even, odd):
            d = 1.0 / _off_zero(1.0 + term * d)
            c = _off_zero(1.0 + term / c)
            fraction *= c * d
        if abs(c * d - 1.0) < _ACCURACY:
            break
    return math.exp(front) * fraction / a


def _off_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
