"""Which calibration a sample can carry: Platt's, and more only where more is shown to be better.

By effective rows (weights count, Kish) and days:
- below PLATT_ROWS: Platt's line drawn towards the base rate, to the root of rows / PLATT_ROWS
  (measured at 50 rows: excess log-loss .012 instead of .017 at a Bayes AUC of .56, .017 instead
  of .019 at .62);
- from there: Platt;
- from BETA_ROWS: beta, where its log-loss on folds of whole days is lower than Platt's;
- from ISOTONIC_ROWS: isotonic, where it is lower than the best of these by one standard error.
"""

import numpy as np
from numpy.typing import NDArray

from streams.errors import ConfigError
from streams.strict import nearest
from trainers.calibrators.beta import fit_beta
from trainers.calibrators.calibrator import Calibration, base_rate
from trainers.calibrators.isotonic import fit_isotonic
from trainers.calibrators.platt import Platt, fit_platt
from trainers.metrics import Estimate, clustered, log_losses
from trainers.sample_weights import effective_size

PLATT_ROWS = 200
BETA_ROWS = 1_000
BETA_DAYS = 50
ISOTONIC_ROWS = 2_000
ISOTONIC_DAYS = 100
FOLDS = 5
AUTO = "auto"

_FITS = {"platt": fit_platt, "beta": fit_beta, "isotonic": fit_isotonic}
METHODS = (AUTO, *sorted(_FITS))

Floats = NDArray[np.float64]


def calibrate(
    margin: Floats,
    y: NDArray[np.int8],
    weights: Floats,
    days: NDArray[np.int64],
    method: str = AUTO,
) -> Calibration:
    """Return the calibration of out-of-fold margins float64[n] by `method`, one of METHODS.

    `weights` float64[n] > 0; `days` int64[n] are what the choice of `auto` is clustered by.
    Raises ConfigError for a method that there is none of.
    """
    if method not in METHODS:
        raise ConfigError(f"calibration {method!r} is not known{nearest(method, METHODS)}")
    if method != AUTO:
        return _FITS[method](margin, y, weights)
    size = effective_size(weights, days)
    if size.rows < PLATT_ROWS:
        share = float(np.sqrt(size.rows / PLATT_ROWS))
        return shrunk(fit_platt(margin, y, weights), base_rate(y, weights), share)
    names = ["platt"]
    if size.rows >= BETA_ROWS and size.days >= BETA_DAYS:
        names.append("beta")
    if size.rows >= ISOTONIC_ROWS and size.days >= ISOTONIC_DAYS:
        names.append("isotonic")
    return _FITS[_chosen(names, margin, y, weights, days)](margin, y, weights)


def shrunk(platt: Platt, rate: float, share: float) -> Platt:
    """Return the mean of `platt`'s log-odds, of weight `share`, and of those of `rate`.

    >>> shrunk(Platt(2.0, 1.0, 50), rate=0.5, share=0.25)
    Platt(slope=0.5, intercept=0.25, rows=50)
    """
    level = float(np.log(rate / (1.0 - rate)))
    return Platt(share * platt.slope, share * platt.intercept + (1.0 - share) * level, platt.rows)


def day_folds(days: NDArray[np.int64], folds: int = FOLDS) -> NDArray[np.int64]:
    """Return the fold of each row, int64[n]: runs of whole days, of about as many rows each."""
    _, day_of, counts = np.unique(days, return_inverse=True, return_counts=True)
    before = np.cumsum(counts) - counts
    fold_of_day = (before * folds) // max(1, days.size)
    found: NDArray[np.int64] = fold_of_day[day_of]
    return found


def _chosen(
    names: list[str], margin: Floats, y: NDArray[np.int8], weights: Floats, days: NDArray[np.int64]
) -> str:
    """Return the simplest method that no more flexible one is shown to beat."""
    if len(names) == 1:
        return names[0]
    losses = {name: np.zeros(y.size) for name in names}
    folds = day_folds(days)
    for fold in np.unique(folds):
        test = folds == fold
        for name in names:
            fitted = _FITS[name](margin[~test], y[~test], weights[~test])
            losses[name][test] = log_losses(y[test], fitted.probability(margin[test]))
    best = names[0]
    for name in names[1:]:
        gain = _mean_gain(losses[best] - losses[name], weights, days)
        if gain.value > (gain.error if name == "isotonic" else 0.0):
            best = name
    return best


def _mean_gain(gains: Floats, weights: Floats, days: NDArray[np.int64]) -> Estimate:
    """Return the weighted mean of `gains`, its error clustered by day."""
    scaled = weights / weights.mean()
    mean = float(np.dot(scaled, gains)) / gains.size
    return clustered(mean, scaled * (gains - mean) / gains.size, days)
