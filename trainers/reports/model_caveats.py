"""What a reader has to know before believing a model's figures: warnings first, then doubts."""

from collections.abc import Iterator

from trainers.evaluation.evaluation import Evaluation
from trainers.pipeline.model_report import ModelReport
from trainers.reports.model_words import counted, decimal, estimate
from trainers.statistics.sharpe import CONFIDENCE

T_MIN = 1.645
"""Of the stitched walk-forward: one-sided 5 %."""

PBO_MAX = 0.5
STABILITY_MIN = 0.4
"""Below it folds agree poorly (Nogueira, Sechidis and Brown 2018, after Fleiss)."""

EFFECTIVE_SHARE_MIN = 0.5
SILENT_SHARE_MAX = 0.05


def caveats(report: ModelReport) -> tuple[str, ...]:
    """Return them as sentences without a full stop, () where there is nothing to say."""
    return (
        *report.samples.warnings,
        *_of_samples(report),
        *_of_holdout(report),
        *_of_search(report),
        *_of_serving(report),
    )


def _of_samples(report: ModelReport) -> Iterator[str]:
    samples = report.samples
    if samples.count and samples.effective < EFFECTIVE_SHARE_MIN * samples.count:
        yield (
            f"labels overlap: {counted(samples.count, 'sample')} amount to "
            f"{samples.effective:,.0f} independent ones at most"
        )


def _of_holdout(report: ModelReport) -> Iterator[str]:
    if report.holdout is None:
        yield f"no holdout was opened: {report.missing.get('holdout', 'none was set aside')}"
        return
    holdout = report.holdout
    if holdout.opened_before:
        times = counted(holdout.opened_before, "time")
        others = holdout.opened_for_others
        told = f", {others:,} of them for other models" if others else ", for this same model"
        yield f"the holdout had been opened {times} before{told}"
    yield from _of_figures(holdout.evaluation)
    before, after = report.out_of_fold, holdout.evaluation.auc
    if before is not None and _is_below(after.high, before.auc.low):
        yield (
            f"the holdout is worse than out of fold beyond chance: AUC {estimate(after, 3)} after "
            f"{estimate(before.auc, 3)}"
        )


def _of_figures(found: Evaluation) -> Iterator[str]:
    if found.auc.value is None:
        yield f"the holdout has no AUC: {found.auc.reason}"
    elif found.auc.low is not None and found.auc.low <= 0.5:
        yield f"the interval of the holdout's AUC holds 0.5, chance: {estimate(found.auc, 3)}"
    slope = found.reliability.slope
    if _is_below(slope.high, 1.0):
        yield f"the probabilities say too much: calibration slope {estimate(slope)}, below 1"
    elif _is_below(1.0, slope.low):
        yield f"the probabilities say too little: calibration slope {estimate(slope)}, above 1"
    accepted = found.acceptance
    if accepted is not None and not 0 < accepted.accepted < found.samples:
        which = "all" if accepted.accepted else "none"
        yield (
            f"it accepts {which} of the held-out signals: what that earns says nothing of telling "
            "them apart"
        )
    elif accepted is not None:
        gain = accepted.utility_gain_r
        if gain.low is not None and gain.low <= 0.0:
            yield (
                "that filtering earns more than taking every signal is not beyond chance: "
                f"{estimate(gain, 3, ' R', signed=True)} a signal"
            )
    if found.samples and found.silent > SILENT_SHARE_MAX * found.samples:
        yield (
            f"the model is silent on {found.silent:,} of {found.samples:,} held-out signals, which "
            "count as the base rate's"
        )


def _of_search(report: ModelReport) -> Iterator[str]:
    found = report.overfitting
    if found is not None:
        deflated, pbo = found.deflated, found.pbo
        if deflated.probability is not None and deflated.probability < CONFIDENCE:
            yield (
                f"deflated by {counted(deflated.trials, 'trial')} the Sharpe ratio of the accepted "
                f"is more than luck with a probability of {decimal(deflated.probability)}, below "
                f"{CONFIDENCE:g}"
            )
        if pbo.pbo is not None and pbo.pbo > PBO_MAX:
            yield (
                f"the probability of backtest overfitting is {decimal(pbo.pbo)} "
                f"({decimal(pbo.low)} to {decimal(pbo.high)})"
            )
    walk = report.walk_forward.summary if report.walk_forward else None
    if walk is not None and walk.log_loss_t is not None and walk.log_loss_t < T_MIN:
        yield f"the stitched walk-forward has a t of {decimal(walk.log_loss_t)}, below {T_MIN:g}"
    choice = report.feature_choice
    if choice is not None and choice.stability is not None:
        value = choice.stability.value
        if value is not None and value < STABILITY_MIN:
            yield f"folds choose different features: stability {estimate(choice.stability)}"
    tuning = report.tuning
    if tuning is not None and tuning.best_log_loss is not None:
        default = tuning.default_log_loss
        if default is not None and tuning.best_log_loss >= default:
            yield f"{counted(tuning.complete, 'trial')} found nothing better than the defaults"


def _of_serving(report: ModelReport) -> Iterator[str]:
    served = report.served_difference
    if served is not None and not served.is_equal:
        yield f"served and recomputed vectors: {served.verdict}"


def _is_below(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and one < other
