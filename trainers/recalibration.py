"""Recalibration: the same trees in the same order, under a line that fits what came since.

The line is fitted on the champion's log-odds of outcomes that came after its training and since
the changepoint, and before the window that judges it. A stretch is what hundreds of outcomes near
the noise floor can hardly tell, so it is drawn towards none; a shift is what they can.

The ranking stays as it is, so it is not on trial: `trainers.gate.judge_recalibrated`.
"""

import hashlib
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.artifact import Artifact
from models.card import encode_card
from streams.errors import ModelError
from streams.events import Retrain
from trainers.calibrators.calibrator import base_rate, sigmoid
from trainers.calibrators.platt import Platt
from trainers.challenger import CALIBRATION_ROWS_MIN
from trainers.dataset import Dataset
from trainers.frozen_model import FrozenModel, or_null
from trainers.gate import Verdict, Window, judge_recalibrated
from trainers.last_line import LastLine, last_line
from trainers.onnx_export import DIFFERENCE_MAX, run_rows
from trainers.sample_weights import effective_size, weights_of
from trainers.settings import TrainSettings
from trainers.training import NO_MODEL, NO_SAMPLES, Candidate
from trainers.window import divide

STRETCH_DEVIATION = 0.3
"""How far from 1 the stretch of a calibrated model's log-odds is expected to lie."""

STRETCH_MIN = 0.05
"""A flatter line is no recalibration: what it is to carry has no skill left."""

NEWTON_STEPS_MAX = 50
NEWTON_TOLERANCE = 1e-10

Floats = NDArray[np.float64]


class Shift(NamedTuple):
    """What is done to log-odds: `stretch` · log-odds + `shift`, fitted on `rows` outcomes."""

    stretch: float
    shift: float
    rows: int


class Recalibrated(NamedTuple):
    """The graph under its moved line; `columns` int64[k] of the served vector are its own."""

    parent: Artifact
    line: LastLine
    onnx: bytes
    fitted: Shift
    columns: NDArray[np.int64]

    def probability(self, x: NDArray[np.float32]) -> Floats:
        """Return what the graph says of served vectors x[n, all columns], float64[n]."""
        return run_rows(self.onnx, np.ascontiguousarray(x[:, self.columns]))


def recalibrate(
    artifact: Artifact,
    champion: FrozenModel,
    samples: Dataset,
    request: Retrain,
    settings: TrainSettings,
    *,
    threshold: float | None = None,
    code_version: str = "",
    challengers_before: int = 0,
) -> Candidate:
    """Move the last line of the model in `artifact` and judge it beside the model as it is.

    `champion` is that model as it is served; `samples`, `threshold` and `challengers_before` are as
    `train_candidate`'s. The candidate has no model where nothing can be fitted. Raises ModelError
    where the graph cannot be given another line, or would not agree with it.
    """
    since_ts = max(request.since_ts, champion.frozen_ts + 1)
    division = divide(samples, settings, since_ts=since_ts, is_after_drift=True)
    recent, window = samples.take(division.recent), samples.take(division.window)
    recent = recent.take(np.isfinite(champion.probability(recent.x)))
    figures = {
        "samples": float(len(samples)),
        "recalibration_samples": float(len(recent)),
        "gate_outcomes": float(len(window)),
    }
    if len(recent) < CALIBRATION_ROWS_MIN:
        return Candidate(Verdict(False, NO_SAMPLES, figures))
    model = _fit(artifact, recent)
    if model is None:
        return Candidate(Verdict(False, NO_MODEL, figures))
    rate = base_rate(recent.y, weights_of(recent))
    null = np.full(len(window), rate)
    said = champion.probability(window.x)
    spoken = np.isfinite(said)
    moved = null.copy()
    moved[spoken] = model.probability(window.x[spoken])
    verdict = judge_recalibrated(
        Window(window.y, window.r_multiple, window.stretches, threshold),
        moved,
        null,
        or_null(said, null),
        settings.gate,
        challengers_before=challengers_before,
    )
    figures |= {"stretch": model.fitted.stretch, "shift": model.fitted.shift, "base_rate": rate}
    figures |= {name: f for name, f in verdict.figures.items() if np.isfinite(f)}
    served = np.concatenate((recent.x, window.x[spoken]))
    card = _card(model, recent, served, figures, code_version)
    return Candidate(verdict._replace(figures=figures), card, model.onnx, artifact.card.learner)


def fit_shift(
    log_odds: Floats, y: NDArray[np.int8], weights: Floats, days: NDArray[np.int64]
) -> Shift | None:
    """Return the line of least weighted log-loss on a model's log-odds [n], drawn towards none.

    Outcomes count as many as they are worth (`effective_size`), the prior as one of a stretch
    1 ± STRETCH_DEVIATION about their mean. None where one class is missing or no skill is left.
    """
    if not 0 < int(y.sum()) < y.size:
        return None
    scaled = weights * (effective_size(weights, days).rows / weights.sum())
    center = float(np.average(log_odds, weights=scaled))
    design = np.stack((log_odds - center, np.ones(y.size)), axis=1)
    precision = np.array([STRETCH_DEVIATION**-2, 0.0])
    prior = np.array([1.0, 0.0])
    beta = prior.copy()
    for _ in range(NEWTON_STEPS_MAX):
        p = sigmoid(design @ beta + center)
        gradient = design.T @ (scaled * (p - y)) + precision * (beta - prior)
        curvature = (design * (scaled * p * (1.0 - p))[:, None]).T @ design + np.diag(precision)
        step = np.linalg.solve(curvature, gradient)
        beta -= np.clip(step, -2.0, 2.0)
        if float(np.abs(step).max()) < NEWTON_TOLERANCE:
            break
    stretch, level = beta.tolist()
    if stretch < STRETCH_MIN:
        return None
    return Shift(stretch, level + center - stretch * center, int(y.size))


def _fit(artifact: Artifact, recent: Dataset) -> Recalibrated | None:
    places = {name: column for column, name in enumerate(recent.names)}
    columns = np.array([places[name] for name in artifact.card.features])
    before = last_line(artifact.onnx)
    log_odds = before.log_odds(before.scores(np.ascontiguousarray(recent.x[:, columns])))
    fitted = fit_shift(log_odds, recent.y, weights_of(recent), recent.days)
    if fitted is None:
        return None
    line = before.moved(fitted.stretch, fitted.shift)
    return Recalibrated(artifact, line, line.build(), fitted, columns)


def _card(
    model: Recalibrated,
    recent: Dataset,
    served: NDArray[np.float32],
    figures: dict[str, float],
    code_version: str,
) -> bytes:
    """Return the parent's card with what is another model's; proven on golden and `served` rows."""
    parent = model.parent.card
    golden, _ = parent.golden_rows()
    proof = np.ascontiguousarray(np.concatenate((golden, served[:, model.columns])))
    card = msgspec.structs.replace(
        parent,
        onnx_sha256=hashlib.sha256(model.onnx).hexdigest(),
        labels_to_ts=int(recent.exit_ts.max()),
        data_digest=recent.digest(),
        code_version=code_version,
        golden_outputs=run_rows(model.onnx, golden).astype("<f8").tobytes(),
        native_max_difference=_prove(model, proof),
        validation=figures,
        calibration=_calibration_figures(model),
        holdout_opened_ts=0,
        parent=model.parent.digest,
    )
    return encode_card(card)


def _prove(model: Recalibrated, rows: NDArray[np.float32]) -> float:
    """Return the largest |graph - line in float64 on the graph's own score|; at most 1e-6."""
    difference = np.abs(
        run_rows(model.onnx, rows) - model.line.probability(model.line.scores(rows))
    )
    worst = float(difference.max())
    if not worst <= DIFFERENCE_MAX:
        raise ModelError(
            f"the recalibrated graph must agree with its line to {DIFFERENCE_MAX}, differs by "
            f"{worst} on row {int(difference.argmax())} of {rows.shape[0]}: do not deploy it"
        )
    return worst


def _calibration_figures(model: Recalibrated) -> dict[str, float]:
    """Platt's figures where the line is the calibration, else the line's beside those before it."""
    line = Platt(model.line.slope, model.line.intercept, model.fitted.rows).figures()
    before = model.parent.card.calibration
    if set(before) <= set(line) and not model.line.is_added:
        return line
    return before | {f"line_{name}": figure for name, figure in line.items()}
