"""The figures of an evaluation in rows: what they are, their intervals, and how to read them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from trainers.evaluation.evaluation import Evaluation
from trainers.evaluation.figure import Figure
from trainers.pipeline.model_report import ModelReport
from trainers.reports.model_words import NONE, counted, decimal, estimate, interval
from trainers.reports.words import share


class Tile(NamedTuple):
    """A figure that stands out: its name, value, and the interval or comparison below it."""

    name: str
    value: str
    below: str


class FigureRow(NamedTuple):
    """A figure of one or more evaluations; `meaning` is for a reader who did not build it."""

    name: str
    values: tuple[str, ...]
    meaning: str


Told = Callable[[Evaluation], str]


def figure_rows(evaluations: Sequence[Evaluation]) -> list[FigureRow]:
    """Return one row per figure, with a value for each of `evaluations`."""
    return [
        FigureRow(name, tuple(told(one) for one in evaluations), meaning)
        for name, told, meaning in _ROWS
    ]


def tiles(report: ModelReport) -> list[Tile]:
    """Return the figures to look at first: of the holdout, else out of fold, and of the search."""
    found = report.holdout.evaluation if report.holdout else report.out_of_fold
    return [*_found_tiles(found), *_search_tiles(report)]


def _found_tiles(found: Evaluation | None) -> list[Tile]:
    if found is None:
        return []
    made = [
        _tile("AUC", found.auc, 3),
        _tile("log-loss gain, nats", found.log_loss_gain, 4, signed=True),
        _tile("calibration slope", found.reliability.slope, 2),
    ]
    accepted = found.acceptance
    if accepted is not None:
        made += [
            Tile(
                "of the signals accepted",
                share(accepted.share),
                counted(accepted.accepted, "signal"),
            ),
            Tile(
                "mean R of the accepted",
                decimal(accepted.mean_r.value, 3, signed=True),
                f"all: {decimal(accepted.mean_r_all.value, 3, signed=True)}",
            ),
            _tile("R a signal over taking all", accepted.utility_gain_r, 3, signed=True),
        ]
    return made


def _search_tiles(report: ModelReport) -> list[Tile]:
    made = []
    walk = report.walk_forward.summary if report.walk_forward else None
    if walk is not None:
        told = f"efficiency {decimal(walk.efficiency)}"
        made.append(Tile("t of the walk-forward", decimal(walk.log_loss_t), told))
    if report.overfitting is not None:
        pbo, deflated = report.overfitting.pbo, report.overfitting.deflated
        reach = "" if pbo.low is None else f"{decimal(pbo.low)} to {decimal(pbo.high)}"
        made.append(Tile("probability of overfitting", decimal(pbo.pbo), reach))
        told = f"after {deflated.trials:,} trials"
        made.append(Tile("deflated Sharpe", decimal(deflated.probability), told))
    return made


def _tile(name: str, figure: Figure, digits: int, *, signed: bool = False) -> Tile:
    reach = interval(figure, digits, signed=signed)
    return Tile(name, decimal(figure.value, digits, signed=signed), reach or figure.reason or "")


def told(
    figure: Figure | None, digits: int = 2, unit: str = "", *, signed: bool = False, why: str = ""
) -> str:
    """Return a figure with its interval; where there is none, why."""
    if figure is None:
        return f"{NONE} {why}".rstrip()
    text = estimate(figure, digits, unit, signed=signed)
    return f"{text} {figure.reason}" if figure.value is None and figure.reason else text


def _accepted(name: str, digits: int = 3, unit: str = "", *, signed: bool = False) -> Told:
    """Tell one figure of the acceptance."""

    def tell(found: Evaluation) -> str:
        if found.acceptance is None:
            return f"{NONE} no threshold"
        return told(getattr(found.acceptance, name), digits, unit, signed=signed)

    return tell


def _threshold(found: Evaluation) -> str:
    if found.acceptance is None:
        return f"{NONE} no threshold"
    accepted = found.acceptance
    of_all = f"{share(accepted.share)}, {accepted.accepted:,} signals"
    return f"{decimal(accepted.threshold, 3)} ({of_all})"


def _random(found: Evaluation) -> str:
    if found.equity is None or found.equity.share_of_random_below is None:
        return f"{NONE} nothing to compare"
    return share(found.equity.share_of_random_below)


def _ece(found: Evaluation) -> str:
    reliability = found.reliability
    if reliability.ece is None:
        return f"{NONE} no bins"
    return f"{decimal(reliability.ece, 3)} (perfect: {decimal(reliability.ece_perfect, 3)})"


_ROWS: tuple[tuple[str, Told, str], ...] = (
    (
        "signals",
        lambda e: f"{e.samples:,} on {e.days:,} days",
        "Errors are clustered by day: signals of one day are one piece of evidence.",
    ),
    ("base rate", lambda e: told(e.base_rate, 3), "How many won."),
    (
        "silent",
        lambda e: f"{e.silent:,}",
        "Signals that the model said nothing of; they count as the base rate's.",
    ),
    (
        "AUC",
        lambda e: told(e.auc, 3),
        "How often a winner is ranked above a loser; 0.5 is chance.",
    ),
    (
        "log-loss gain",
        lambda e: told(e.log_loss_gain, 4, signed=True),
        "Nats a signal over the constant; above 0, the probabilities say something.",
    ),
    (
        "log-loss",
        lambda e: f"{decimal(e.log_loss, 4)} (constant: {decimal(e.log_loss_null, 4)})",
        "Lower is better.",
    ),
    (
        "Brier score",
        lambda e: f"{decimal(e.brier.score, 4)} (constant: {decimal(e.brier.null, 4)})",
        "Mean squared distance from what happened; lower is better.",
    ),
    (
        "calibration slope",
        lambda e: told(e.reliability.slope),
        "1 where probabilities mean what they say; below 1 they say too much.",
    ),
    (
        "calibration intercept",
        lambda e: told(e.reliability.intercept, signed=True),
        "0 where the level is right.",
    ),
    (
        "calibration error",
        _ece,
        "Expected over the bins; a perfect model shows what is in brackets by chance.",
    ),
    ("threshold", _threshold, "From this probability a signal is accepted."),
    ("precision", _accepted("precision"), "How many of the accepted won."),
    ("recall", _accepted("recall"), "How many of the winners were accepted."),
    ("hit rate, accepted", _accepted("hit_rate"), "Accepted signals that made money after costs."),
    ("hit rate, all", _accepted("hit_rate_all"), "The same of every signal."),
    (
        "mean R, accepted",
        _accepted("mean_r", signed=True),
        "Net result of an accepted signal, in units of what it risks.",
    ),
    ("mean R, all", _accepted("mean_r_all", signed=True), "The same of every signal."),
    (
        "gain by filtering",
        _accepted("utility_gain_r", 3, " R", signed=True),
        "Net R per signal, taken or not, over taking every signal.",
    ),
    (
        "better than random",
        _random,
        "Share of random choices of as many signals that end below the accepted.",
    ),
)
