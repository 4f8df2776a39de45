"""From samples to a candidate: fit, choose, judge, export, prove, and write the card.

1. the newest samples are set aside as the gate window, and what touches it is purged;
2. every learner is fitted on all that is left, on all with weights that decay, and on what is left
   since the changepoint;
3. one of them is chosen by its log-loss out of fold, on training samples only;
4. that one, frozen, is judged on the window beside the null model and the champion.

Behind a confirmed drift the champion is taken to have lost its skill, and not to be worse than it
is enough. A champion that has itself learned what came since the changepoint has not: it gives way
so easily only to one that knows clearly more of it.

The model that is deployed is the one that was judged. The same samples and settings give the
same bytes.
"""

from dataclasses import dataclass

import numpy as np

from models.card import digest_of_card, version_of
from streams.events import Retrain
from trainers.challenger import Challenger, fit_challenger
from trainers.dataset import DAY_NS, Dataset
from trainers.frozen_model import FrozenModel, or_null
from trainers.gate import TOO_FEW_OUTCOMES, Verdict, Window, is_too_small, judge
from trainers.learner import NULL
from trainers.metrics import auc, log_losses
from trainers.model_writing import write_model
from trainers.sample_weights import weights_of
from trainers.settings import TrainSettings
from trainers.window import Division, divide

RECENT_SAMPLES_MIN = 100
COMMON_ROWS_MIN = 50
DRIFT_REASONS = ("drift", "refresh")
REFRESH_REASON = "refresh"
CLEARLY_MORE = 2.0
"""So many times the champion's samples since a changepoint are clearly more. Twins that were
fitted on nearly the same samples would take turns otherwise, each swap a new count of alpha.
"""

NO_SAMPLES = "too_few_samples"
NO_SAMPLES_SINCE = "too_few_samples_since_change"
NO_MODEL = "nothing_to_learn"


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
    champion: FrozenModel | None = None,
    threshold: float | None = None,
    code_version: str = "",
    challengers_before: int = 0,
) -> Candidate:
    """Train and judge a challenger on `samples`, all of which were known at the request.

    `threshold` is the probability from which the strategy accepts a signal, None where its mode
    accepts everything. `challengers_before` counts those that the gate has judged beside the same
    champion since its last confirmed drift. Raises ModelError where a model cannot be exported
    faithfully.
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
    refusal = _why_not_yet(samples, division, settings, is_after_drift=after_drift)
    if refusal:
        return Candidate(Verdict(False, refusal, figures))
    chosen = choose(challengers(samples, division, settings), since_ts=request.since_ts)
    if chosen is None:
        return Candidate(Verdict(False, NO_MODEL, figures))
    window = samples.take(division.window)
    null = np.full(len(window), chosen.null_probability)
    has_learned = _has_learned(champion, samples, division, request)
    # A champion of after the change meets one that knows clearly more only as often as samples
    # double: few enough for the whole level. What looks at the shadow have spent is not its debt.
    is_of_after = champion is not None and 0 < request.since_ts <= champion.learned_to_ts
    knows_more = request.reason.startswith(REFRESH_REASON) and is_of_after and not has_learned
    verdict = judge(
        Window(window.y, window.r_multiple, window.stretches, threshold),
        or_null(chosen.probability(window.x), null),
        null,
        or_null(champion.probability(window.x), null) if champion else None,
        settings.gate,
        is_after_drift=after_drift and not has_learned,
        challengers_before=0 if knows_more else challengers_before,
    )
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


def _why_not_yet(
    samples: Dataset, division: Division, settings: TrainSettings, *, is_after_drift: bool
) -> str:
    """Return why there is nothing to be fitted yet, or "".

    Behind a confirmed drift a challenger that knows hardly more than the champion did is of no
    use, now or in the shadow: it is not made before enough has happened since the changepoint.
    """
    if int(division.training.sum()) < settings.min_samples:
        return NO_SAMPLES
    if not is_after_drift:
        return ""
    if is_too_small(samples.y[division.window], settings.gate):
        return TOO_FEW_OUTCOMES
    return "" if int(division.recent.sum()) >= RECENT_SAMPLES_MIN else NO_SAMPLES_SINCE


def _has_learned(
    champion: FrozenModel | None, samples: Dataset, division: Division, request: Retrain
) -> bool:
    """Whether the champion knows nearly as much of what came since the changepoint.

    One that a detector has just found wanting is not asked.
    """
    if champion is None or not request.reason.startswith(REFRESH_REASON):
        return False
    known = (samples.ts >= request.since_ts) & (samples.ts <= champion.learned_to_ts)
    return int(division.recent.sum()) < CLEARLY_MORE * int(known.sum())


def is_after_drift(request: Retrain) -> bool:
    """Whether a detector has confirmed a loss of skill: now, or where a refresh counts from."""
    return request.reason.startswith(DRIFT_REASONS)


def challengers(samples: Dataset, division: Division, settings: TrainSettings) -> list[Challenger]:
    """Fit every learner on all training samples; after a changepoint, also on two other samples.

    Old samples are poison after a flip and experience after a false alarm: those since the
    changepoint are tried, and all with weights that decay. Where all of them are younger than one
    half-life, decay makes no other model.
    """
    whole = samples.take(division.training)
    trials: list[tuple[Dataset, float | None]] = [(whole, None)]
    recent = int(division.recent.sum())
    if recent < len(whole):
        age_days = (whole.exit_ts.max() - whole.exit_ts.min()) / DAY_NS
        if 0.0 < settings.half_life_days <= age_days:
            trials.append((whole, settings.half_life_days))
        if recent >= RECENT_SAMPLES_MIN:
            trials.append((samples.take(division.recent), None))
    fitted = [
        fit_challenger(training, learner, settings, half_life_days=half_life_days)
        for training, half_life_days in trials
        for learner in settings.learners
        if learner != NULL
    ]
    return [challenger for challenger in fitted if challenger is not None]


def choose(candidates: list[Challenger], *, since_ts: int = 0) -> Challenger | None:
    """Return the candidate of least log-loss out of fold; the first wins a tie.

    They are compared on the samples since `since_ts` that all of them predicted, or on all such
    samples where those are too few, each sample weighing the same for all candidates. Where those
    too are too few, by what each gained over its own null. The window has no part in it.
    """
    if not candidates:
        return None
    widest = max(candidates, key=lambda c: len(c.training)).training
    ids = widest.signal_ids
    common = np.ones(len(widest), dtype=np.bool_)
    for candidate in candidates:
        predicted = candidate.training.signal_ids[np.isfinite(candidate.out_of_fold)]
        common &= np.isin(ids, predicted)
    for rows in (common & (widest.ts >= since_ts), common):
        if rows.sum() >= COMMON_ROWS_MIN:
            among = widest.take(rows)
            return min(candidates, key=lambda c: _loss(c, among))
    return max(candidates, key=_gain)


def _loss(challenger: Challenger, among: Dataset) -> float:
    """The mean log-loss on samples that it has predicted, weighed by their own uniqueness."""
    place = {name: row for row, name in enumerate(challenger.training.signal_ids.tolist())}
    rows = [place[name] for name in among.signal_ids.tolist()]
    losses = log_losses(among.y, challenger.out_of_fold[rows])
    return float(np.average(losses, weights=weights_of(among)))


def _gain(challenger: Challenger) -> float:
    """What it gained over its own null, on all that it has predicted."""
    rows = np.isfinite(challenger.out_of_fold)
    y = challenger.training.y[rows]
    null = np.full(y.size, challenger.null_probability)
    gains = log_losses(y, null) - log_losses(y, challenger.out_of_fold[rows])
    return float(np.average(gains, weights=challenger.weights[rows]))


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
