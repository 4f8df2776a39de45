"""A challenger: a learner fitted and calibrated on one training span, everything inside folds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.input_guard import GuardedRow, InputGuard, fit_input_guard
from trainers.calibrators.calibrate import calibrate
from trainers.calibrators.calibrator import Calibration, base_rate
from trainers.columns import complete_rows, usable_columns
from trainers.dataset import DAY_NS, Dataset
from trainers.learner import Fitted, load_learner
from trainers.onnx_export import native
from trainers.sample_weights import weights_of
from trainers.settings import TrainSettings
from trainers.splits import walk_forward

FOLD_SAMPLES_MIN = 40
CALIBRATION_ROWS_MIN = 40

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Challenger:
    """A frozen model and what it is known by.

    `columns` int64[k] of the served vector. `out_of_fold` float64[n] are its calibrated
    out-of-fold probabilities on its training data, NaN where none was made. `null_probability`
    is the base rate of the samples that it was calibrated on: the null model trained beside it.
    `whole` float32[m, k] are the training rows it was fitted on, `guard` what they allow.
    """

    learner: str
    training: Dataset
    weights: Floats
    columns: NDArray[np.int64]
    fitted: Fitted
    calibration: Calibration
    out_of_fold: Floats
    null_probability: float
    whole: NDArray[np.float32]
    guard: InputGuard | None

    def probability(self, x: NDArray[np.float32]) -> Floats:
        """Return the probabilities of served vectors x[n, all columns], float64[n].

        NaN where the scorer would get none: the row is incomplete, or unlike the training rows.
        """
        result = np.full(x.shape[0], np.nan)
        rows = np.flatnonzero(complete_rows(x, self.columns))
        own = x[np.ix_(rows, self.columns)]
        if self.guard is not None:
            guarded = GuardedRow(self.guard)
            accepted = np.array([guarded.accepts(row) for row in own], dtype=np.bool_)
            rows, own = rows[accepted], own[accepted]
        if rows.size:
            result[rows] = native(self.fitted, self.calibration, own)
        return result


def fit_challenger(training: Dataset, learner: str, settings: TrainSettings) -> Challenger | None:
    """Fit `learner` to all of `training`, calibrated on walk-forward predictions within it.

    Returns None where that cannot be done: too few samples, one class only, no usable column.
    """
    if len(training) < settings.min_samples:
        return None
    weights = weights_of(training)
    margins = out_of_fold_margins(training, weights, learner, settings)
    predicted = np.isfinite(margins)
    if predicted.sum() < CALIBRATION_ROWS_MIN:
        return None
    calibration = calibrate(
        margins[predicted],
        training.y[predicted],
        weights[predicted],
        training.days[predicted],
        method=settings.calibration,
    )
    fit = _fit_rows(training, weights, learner, settings)
    if fit is None:
        return None
    columns, fitted = fit
    out_of_fold = np.full(len(training), np.nan)
    out_of_fold[predicted] = calibration.probability(margins[predicted])
    whole = training.x[np.ix_(complete_rows(training.x, columns), columns)]
    return Challenger(
        learner=learner,
        training=training,
        weights=weights,
        columns=columns,
        fitted=fitted,
        calibration=calibration,
        out_of_fold=out_of_fold,
        null_probability=base_rate(training.y[predicted], weights[predicted]),
        whole=whole,
        guard=fit_input_guard(whole),
    )


def out_of_fold_margins(
    training: Dataset, weights: Floats, learner: str, settings: TrainSettings
) -> Floats:
    """Return walk-forward margins, float64[n], NaN where no fold could predict.

    Columns are chosen, and everything is fitted, on each fold's own training rows.
    """
    margins = np.full(len(training), np.nan)
    embargo_ns = int(settings.embargo_days * DAY_NS)
    splits = walk_forward(
        training.ts, training.exit_ts, folds=settings.folds, embargo_ns=embargo_ns
    )
    for train, test in splits:
        fit = _fit_rows(training.take(train), weights[train], learner, settings)
        if fit is None:
            continue
        columns, fitted = fit
        rows = test[complete_rows(training.x[test], columns)]
        if rows.size:
            margins[rows] = fitted.margin(training.x[np.ix_(rows, columns)])
    return margins


def _fit_rows(
    samples: Dataset, weights: Floats, learner: str, settings: TrainSettings
) -> tuple[NDArray[np.int64], Fitted] | None:
    columns = usable_columns(samples.x)
    rows = np.flatnonzero(complete_rows(samples.x, columns))
    y = samples.y[rows]
    if columns.size == 0 or rows.size < FOLD_SAMPLES_MIN or not 0 < int(y.sum()) < y.size:
        return None
    fitted = load_learner(learner).fit(
        np.ascontiguousarray(samples.x[np.ix_(rows, columns)]),
        y,
        weights[rows],
        seed=settings.seed,
        threads=settings.threads,
    )
    return columns, fitted
