"""One learner, fitted to all samples and calibrated on what it said of them out of fold."""

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.errors import DataError
from trainers.calibrators.calibrate import calibrate
from trainers.calibrators.calibrator import base_rate
from trainers.challenger import CALIBRATION_ROWS_MIN, Challenger
from trainers.dataset import Dataset
from trainers.learner import load_learner
from trainers.metrics import auc, log_losses
from trainers.splits import Split, walk_forward
from trainers.tuning.fold_plan import out_of_fold, plan_folds
from trainers.validation.purged_k_fold import PurgedKFold

Floats = NDArray[np.float64]


class CalibratedFit(NamedTuple):
    """A learner and its hyperparameters, the calibration, and how many folds that takes."""

    learner: str
    params: msgspec.Struct
    calibration: str
    folds: int


def fit_calibrated(
    samples: Dataset,
    weights: Floats,
    what: CalibratedFit,
    *,
    seed: int,
    threads: int,
    is_timed: bool,
) -> Challenger:
    """Fit to every column of samples without unknown values, in time order.

    Folds walk forward, purged by label spans; without a clock (`is_timed` False: ts only count the
    rows) every row is predicted by all that its label does not touch. Raises DataError where too
    few rows can be predicted, ConfigError for a setting that there is none of.
    """
    plan = plan_folds(samples, weights, _splits(samples, what.folds, is_timed), clusters=None)
    margins = out_of_fold(plan, what.learner, what.params, seed=seed, threads=threads)
    rows = np.isfinite(margins)
    if rows.sum() < CALIBRATION_ROWS_MIN:
        raise DataError(
            f"only {int(rows.sum())} of {len(samples)} rows could be predicted out of fold, "
            f"calibration needs {CALIBRATION_ROWS_MIN}: give more samples, shorter labels or "
            f"other folds than {what.folds}"
        )
    calibration = calibrate(
        margins[rows], samples.y[rows], weights[rows], samples.days[rows], what.calibration
    )
    x = np.ascontiguousarray(samples.x)
    fitted = load_learner(what.learner).fit(
        x, samples.y, weights, seed=seed, threads=threads, params=what.params
    )
    margins[rows] = calibration.probability(margins[rows])
    return Challenger(
        learner=what.learner,
        training=samples,
        weights=weights,
        columns=np.arange(len(samples.names)),
        fitted=fitted,
        calibration=calibration,
        out_of_fold=margins,
        null_probability=base_rate(samples.y[rows], weights[rows]),
        whole=x,
    )


def figures_of(model: Challenger) -> dict[str, float]:
    """Return what is known of a model from its own training samples, for its card."""
    rows = np.isfinite(model.out_of_fold)
    y, p = model.training.y[rows], model.out_of_fold[rows]
    null = np.full(y.size, model.null_probability)
    return {
        "base_rate": model.null_probability,
        "out_of_fold_samples": float(y.size),
        "out_of_fold_auc": auc(y, p),
        "out_of_fold_log_loss": float(log_losses(y, p).mean()),
        "out_of_fold_null_log_loss": float(log_losses(y, null).mean()),
    }


def _splits(samples: Dataset, folds: int, is_timed: bool) -> list[Split]:
    if is_timed:
        return list(walk_forward(samples.ts, samples.exit_ts, folds=folds))
    spans = np.column_stack((samples.ts, samples.exit_ts))
    return list(PurgedKFold(folds).split(groups=spans))
