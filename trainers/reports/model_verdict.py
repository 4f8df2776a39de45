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
        return f"on {seen} it ranks the winners higher {_rank(figures)}{_above_base_rate(figures)}."
    if head == NO_SKILL:
        return f"on {seen} {_why_no_skill(figures, gate_settings(report).skill_alpha)}."
    if head == KEPT:
        return (
            f"on {seen} it ranks the winners higher {_rank(figures)}, but is not shown to be "
            f"better than the model in force {_gain(figures, 'champion')}."
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


def _gain(figures: dict[str, float], against: str) -> str:
    gain = figures.get(f"log_loss_gain_vs_{against}")
    p = figures.get(f"p_value_vs_{against}")
    parts = [] if gain is None else [f"gain {decimal(gain, 4, signed=True)} nats a signal"]
    return f"({', '.join([*parts, *([] if p is None else [p_value(p)])])})"


def _rank(figures: dict[str, float]) -> str:
    area, p = figures.get("gate_auc"), figures.get("p_value_vs_null")
    return f"(AUC {decimal(area, 3)}{'' if p is None else f', {p_value(p)}'})"


def _above_base_rate(figures: dict[str, float]) -> str:
    gain = figures.get("log_loss_gain_vs_null")
    if gain is None or gain <= 0.0:
        return ""
    return f", and its probabilities beat the base rate by {decimal(gain, 4)} nats a signal"


def _why_no_skill(figures: dict[str, float], alpha: float) -> str:
    """Which of the gate's conditions failed, the first of them."""
    area, error = figures.get("auc_gain_vs_null"), figures.get("auc_gain_error_vs_null", 0.0)
    if area is not None and area < -error:
        return f"it ranks the winners lower than chance would {_rank(figures)}"
    if figures.get("p_value_vs_null", 1.0) >= alpha:
        return f"it is not shown to rank the winners higher {_rank(figures)}"
    for other, against in (("null", "the base rate"), ("level", "its own mean probability")):
        gain = figures.get(f"log_loss_gain_vs_{other}", 0.0)
        if gain <= gate.GAIN_MIN_NATS:
            return (
                f"it ranks them {_rank(figures)}, but its probabilities are no better than "
                f"{against} ({decimal(gain, 4, signed=True)} nats a signal)"
            )
    earned = figures.get("utility_gain_r_vs_null")
    told = decimal(earned, 3, " R", signed=True)
    return f"what it accepts earns less than taking every signal ({told} a signal)"
