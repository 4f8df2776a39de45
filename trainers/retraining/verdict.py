"""The figures that decided, as plain numbers and words for the wire: VERDICT_MAX at most."""

from streams.events import Retrain
from trainers.retraining.job_files import Figure, JobResult, Judged

IN_SHADOW = "in_shadow"
SHADOW_FIGURES = (
    "gate_outcomes",
    "gate_auc",
    "champion_auc",
    "log_loss_gain_vs_champion",
    "p_value_vs_champion",
    "alpha",
)
VERDICT_MAX = 128

Verdict = dict[str, Figure]


def training_verdict(request: Retrain, result: JobResult) -> Verdict:
    """Return what is told of a model that was made, or of why none was."""
    verdict = _beginning(request, result, result.reason)
    if result.learner:
        verdict["learner"] = result.learner
    verdict.update(result.figures)
    return _bounded(verdict)


def review_verdict(request: Retrain, result: JobResult, found: Judged | None) -> Verdict:
    """Return what is told of a review: the one that it led to first, then every other."""
    reason = found.reason if found else (IN_SHADOW if result.judged else result.reason)
    verdict = _beginning(request, result, reason)
    if found is not None:
        verdict.update(found.figures)
    verdict["shadows"] = float(len(result.judged))
    for number, one in enumerate(result.judged, 1):
        told = {name: one.figures[name] for name in SHADOW_FIGURES if name in one.figures}
        words = {"version": one.entrant.version, "role": one.entrant.role, "reason": one.reason}
        verdict |= {f"shadow_{number}_{name}": value for name, value in (words | told).items()}
    return _bounded(verdict)


def is_trial(figures: dict[str, float]) -> bool:
    """Whether the gate has judged a challenger, and so spent of its alpha."""
    return "p_value_vs_null" in figures


def _beginning(request: Retrain, result: JobResult, reason: str) -> Verdict:
    verdict: Verdict = {"reason": reason, "requested": request.reason}
    if result.champion_refused:
        verdict["champion_refused"] = result.champion_refused
    return verdict


def _bounded(verdict: Verdict) -> Verdict:
    return dict(list(verdict.items())[:VERDICT_MAX])
