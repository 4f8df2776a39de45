"""From samples to a candidate: fit, choose, judge, export, prove, and write the card.

1. the newest samples are set aside as the gate window, and what touches it is purged;
2. every learner is fitted on all that is left, and on what is left since the changepoint;
3. one of them is chosen by its walk-forward log-loss, on training samples only;
4. that one, frozen, is judged on the window beside the null model and the champion.

The model that is deployed is the one that was judged. The same samples and settings give the
same bytes.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.card import digest_of_card, version_of
from streams.events import Retrain
from trainers.challenger import Challenger, fit_challenger
from trainers.dataset import Dataset
from trainers.gate import Verdict, Window, judge
from trainers.learner import NULL
from trainers.metrics import auc, log_losses
from trainers.model_writing import write_model
from trainers.settings import TrainSettings
from trainers.window import Division, divide

RECENT_SAMPLES_MIN = 100
COMMON_ROWS_MIN = 50
DRIFT_REASON = "drift"

NO_SAMPLES = "too_few_samples"
NO_MODEL = "nothing_to_learn"

Floats = NDArray[np.float64]


class Champion(Protocol):
    """The model in force."""

    @property
    def version(self) -> str:
        """Its short name."""
        ...

    @property
    def frozen_ts(self) -> int:
        """When the last label that it was trained on was closed."""
        ...

    def probability(self, x: NDArray[np.float32]) -> Floats:
        """Return its probabilities of served vectors x[n, all columns], NaN where silent."""
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a training run comes to.

    Without a model (`card` empty) nothing could be fitted. A candidate that was not promoted
    still has its model, for shadow use.
    """

    verdict: Verdict
    card: bytes = b""
    onnx: bytes = b""
    learner: str = NULL

    @property
    def digest(self) -> str:
        """The digest of the card, "" without a model."""
        return digest_of_card(self.card) if self.card else ""

    def version(self, strategy: str) -> str:
        """Return the short name of the model; the null model's without one."""
        return version_of(strategy, self.digest) if self.card else NULL


def train_candidate(
    samples: Dataset,
    request: Retrain,
    settings: TrainSettings,
    *,
    champion: Champion | None = None,
    threshold: float | None = None,
    code_version: str = "",
) -> Candidate:
    """Train and judge a challenger on `samples`, all of which were known at the request.

    `threshold` is the probability from which the strategy accepts a signal, None where its mode
    accepts everything. Raises ModelError where a model cannot be exported faithfully.
    """
    after_drift = is_after_drift(request)
    division = divide(
        samples,
        settings,
        since_ts=request.since_ts,
        is_after_drift=after_drift,
        frozen_ts=champion.frozen_ts if champion else 0,
    )
    figures = _sample_figures(samples, division)
    if figures["training_samples"] < settings.min_samples:
        return Candidate(Verdict(False, NO_SAMPLES, figures))
    chosen = choose(challengers(samples, division, settings))
    if chosen is None:
        return Candidate(Verdict(False, NO_MODEL, figures))
    window = samples.take(division.window)
    verdict = _judge(window, chosen, champion, threshold, settings, after_drift)
    figures |= _training_figures(chosen, settings)
    figures |= {name: f for name, f in verdict.figures.items() if np.isfinite(f)}
    verdict = verdict._replace(figures=figures)
    card, onnx = write_model(
        chosen,
        strategy=request.strategy,
        symbol=request.symbol,
        seed=settings.seed,
        figures=figures,
        code_version=code_version,
    )
    return Candidate(verdict, card, onnx, chosen.learner)


def is_after_drift(request: Retrain) -> bool:
    """Whether a drift detector has confirmed that the champion lost its skill."""
    return request.reason.startswith(DRIFT_REASON)


def challengers(samples: Dataset, division: Division, settings: TrainSettings) -> list[Challenger]:
    """Fit every learner on all training samples, and on those since the changepoint.

    Old samples are poison after a flip and experience after a false alarm: both are tried.
    """
    spans = [division.training]
    recent = int(division.recent.sum())
    if RECENT_SAMPLES_MIN <= recent < int(division.training.sum()):
        spans.append(division.recent)
    fitted = [
        fit_challenger(samples.take(span), learner, settings)
        for span in spans
        for learner in settings.learners
        if learner != NULL
    ]
    return [challenger for challenger in fitted if challenger is not None]


def choose(candidates: list[Challenger]) -> Challenger | None:
    """Return the candidate that gained most log-loss over its null, out of fold.

    They are compared on the samples that all of them predicted, where those are enough; the
    window has no part in it. The first wins a tie.
    """
    common: set[str] = set.intersection(*map(_predicted, candidates)) if candidates else set()
    among = common if len(common) >= COMMON_ROWS_MIN else None
    return max(candidates, key=lambda c: _gain(c, among), default=None)


def _predicted(challenger: Challenger) -> set[str]:
    return set(challenger.training.signal_ids[np.isfinite(challenger.out_of_fold)].tolist())


def _gain(challenger: Challenger, among: set[str] | None) -> float:
    rows = np.isfinite(challenger.out_of_fold)
    if among is not None:
        rows &= np.isin(challenger.training.signal_ids, sorted(among))
    y, weights = challenger.training.y[rows], challenger.weights[rows]
    losses = log_losses(y, challenger.out_of_fold[rows])
    # On common samples every null is the same: a loss is only set against its own without them.
    if among is None:
        losses = losses - log_losses(y, np.full(y.size, challenger.null_probability))
    return -float(np.average(losses, weights=weights))


def _judge(
    window: Dataset,
    chosen: Challenger,
    champion: Champion | None,
    threshold: float | None,
    settings: TrainSettings,
    after_drift: bool,
) -> Verdict:
    """Judge on the window; where a model is silent, it says what the null model says."""
    null = np.full(len(window), chosen.null_probability)
    said = None if champion is None else _or_null(champion.probability(window.x), null)
    return judge(
        Window(window.y, window.r_multiple, window.days, threshold),
        _or_null(chosen.probability(window.x), null),
        null,
        said,
        settings.gate,
        is_after_drift=after_drift,
    )


def _or_null(probability: Floats, null: Floats) -> Floats:
    return np.where(np.isfinite(probability), probability, null)


def _sample_figures(samples: Dataset, division: Division) -> dict[str, float]:
    return {
        "samples": float(len(samples)),
        "training_samples": float(division.training.sum()),
        "recent_samples": float(division.recent.sum()),
        "gate_outcomes": float(division.window.sum()),
    }


def _training_figures(chosen: Challenger, settings: TrainSettings) -> dict[str, float]:
    rows = np.isfinite(chosen.out_of_fold)
    y, p = chosen.training.y[rows], chosen.out_of_fold[rows]
    count = len(chosen.training)
    return {
        "training_samples": float(count),
        "is_small_sample": float(count < settings.warn_samples),
        "base_rate": chosen.null_probability,
        "columns": float(chosen.columns.size),
        "out_of_fold_samples": float(y.size),
        "out_of_fold_auc": auc(y, p),
        "out_of_fold_log_loss": float(log_losses(y, p).mean()),
    }
