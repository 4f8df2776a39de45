"""What became of a model, in one sentence that is true, and what to do next."""

from trainers import gate
from trainers.pipeline.model_report import ModelReport
from trainers.reports.model_words import counted, decimal, p_value
from trainers.settings import GateSettings
from trainers.training import NO_MODEL, NO_SAMPLES

FIT = "Fit to be deployed"
NO_SKILL = "No skill here"
UNDECIDED = "Undecided"
KEPT = "Not better than the champion"
NOT_MADE = "No model"
REFUSED = "Not deployed"

_HEADS = {
    gate.NOT_BETTER_THAN_NULL: NO_SKILL,
    gate.NOT_BETTER_THAN_CHAMPION: KEPT,
    gate.TOO_FEW_OUTCOMES: UNDECIDED,
    NO_SAMPLES: NOT_MADE,
    NO_MODEL: NOT_MADE,
}
_STEPS = {
    FIT: "Let it score beside the stream first (mode observe), then filter.",
    NO_SKILL: (
        "Let the signals pass through. Another try on the same holdout is no proof: it has been "
        "opened. More history, other features or another exit rule may have what this lacks."
    ),
    UNDECIDED: "Let the signals pass through, and judge again when more outcomes are known.",
    KEPT: "Keep the champion; let this model score in its shadow.",
    NOT_MADE: "Let the signals pass through; a longer history or more symbols make samples.",
    REFUSED: "Let the signals pass through.",
}


def headline(report: ModelReport) -> str:
    """Return the verdict in a few words, one of those above."""
    return FIT if report.verdict.promoted else _HEADS.get(report.verdict.reason, REFUSED)


def sentence(report: ModelReport) -> str:
    """Return the verdict in one sentence: what was found, on what, and how sure that is."""
    head = headline(report)
    told = f"{head}: {_found(report, head)}"
    holdout = report.holdout
    if holdout is not None and holdout.opened_for_others:
        times = counted(holdout.opened_for_others, "time")
        told += f" The holdout had been opened {times} before for other models: it was not sealed."
    return told


def next_step(report: ModelReport) -> str:
    """Return what to do about it."""
    return _STEPS[headline(report)]


def gate_settings(report: ModelReport) -> GateSettings:
    """Return the gate's rules that the report was made by, the defaults where it does not say."""
    told = report.settings.get("gate", {})
    fields = GateSettings.__struct_fields__
    return GateSettings(**{name: told[name] for name in fields if name in told})


def _found(report: ModelReport, head: str) -> str:
    figures = report.verdict.figures
    seen = _seen(report)
    if head == FIT:
        return f"on {seen} its probabilities beat the base rate {_gain(figures)}{_ranks(figures)}."
    if head == NO_SKILL:
        return f"on {seen} {_why_no_skill(figures, gate_settings(report).alpha)}."
    if head == KEPT:
        return (
            f"on {seen} it beats the base rate {_gain(figures)}, but is not shown to be better "
            f"than the model in force {_gain(figures, 'champion')}."
        )
    if head == UNDECIDED:
        rules = gate_settings(report)
        return (
            f"{seen} are too few to judge by; the gate asks for {rules.outcomes_min} outcomes, "
            f"{rules.class_min} of each class."
        )
    if head == NOT_MADE:
        return f"{counted(report.samples.count, 'sample')} to learn from " + (
            "are too few." if report.verdict.reason == NO_SAMPLES else "teach nothing."
        )
    return f"{report.verdict.reason.replace('_', ' ')}."


def _seen(report: ModelReport) -> str:
    outcomes = report.verdict.figures.get("gate_outcomes")
    where = "signals" if report.holdout is None else "held-out signals"
    return f"the {where}" if outcomes is None else f"{outcomes:,.0f} {where}"


def _gain(figures: dict[str, float], against: str = "null") -> str:
    gain = figures.get(f"log_loss_gain_vs_{against}")
    p = figures.get(f"p_value_vs_{against}")
    parts = [] if gain is None else [f"gain {decimal(gain, 4, signed=True)} nats a signal"]
    return f"({', '.join([*parts, *([] if p is None else [p_value(p)])])})"


def _ranks(figures: dict[str, float]) -> str:
    area = figures.get("gate_auc")
    return "" if area is None else f", and it ranks them with an AUC of {decimal(area, 3)}"


def _why_no_skill(figures: dict[str, float], alpha: float) -> str:
    """Which of the gate's conditions failed, the first of them."""
    if figures.get("p_value_vs_null", 1.0) >= alpha:
        return f"its probabilities are not shown to be better than the base rate {_gain(figures)}"
    level = figures.get("p_value_vs_level", 1.0)
    if level >= alpha:
        return (
            "it knows how often signals win, but not which: against its own mean probability "
            f"{p_value(level)}"
        )
    area, error = figures.get("auc_gain_vs_null"), figures.get("auc_gain_error_vs_null", 0.0)
    if area is not None and area < -error:
        return f"it ranks them worse than chance (AUC {decimal(figures.get('gate_auc'), 3)})"
    earned = figures.get("utility_gain_r_vs_null")
    told = decimal(earned, 3, " R", signed=True)
    return f"what it accepts earns less than taking every signal ({told} a signal)"
