"""The tables of a model's page: what was tried, fold by fold, what is read, where it comes from."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from trainers.evaluation.importance import Importance
from trainers.evaluation.period_figures import PeriodFigures
from trainers.pipeline.model_report import (
    Candidate,
    FeatureChoice,
    ModelReport,
    Overfitting,
    WalkForwardReport,
)
from trainers.reports.model_figures import told
from trainers.reports.model_words import NONE, counted, day, decimal, minute, span, with_error
from trainers.reports.words import share
from trainers.served_difference import ServedDifference

FEATURES_LISTED_MAX = 40
VALUE_SHOWN_MAX = 200


class Table(NamedTuple):
    """A table; `words` are the columns of prose, left and wrapped, `marked` the rows to stress."""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    title: str = ""
    words: tuple[int, ...] = ()
    marked: tuple[int, ...] = ()


def candidates_table(candidates: Sequence[Candidate]) -> Table:
    """What was tried, and what it was worth out of fold; the chosen one is marked."""
    rows = [
        (
            one.name + (f" ({', '.join(one.members)})" if one.members else ""),
            "chosen" if one.is_chosen else "",
            with_error(one.log_loss_gain, 4, signed=True),
            with_error(one.auc),
            f"{one.trials:,}" if one.trials else NONE,
            decimal(one.seconds, 1),
        )
        for one in candidates
    ]
    head = ("candidate", "", "log-loss gain ± SE", "AUC ± SE", "trials", "seconds")
    marked = tuple(place for place, one in enumerate(candidates) if one.is_chosen)
    return Table(head, rows, words=(0,), marked=marked)


def params_table(candidates: Sequence[Candidate]) -> Table:
    """The hyperparameters of what was tried."""
    rows = [(one.name, params_in_words(one.params)) for one in candidates if one.params]
    return Table(("candidate", "hyperparameters"), rows, "Hyperparameters", words=(1,))


def params_in_words(params: dict[str, Any]) -> str:
    """Return parameters as "name value, name value"; those within others in brackets."""
    parts = []
    for name, value in params.items():
        inner = f"({params_in_words(value)})" if isinstance(value, dict) else _value(value)
        parts.append(f"{name} {inner}")
    return ", ".join(parts) or "defaults"


def walk_forward_table(walk: WalkForwardReport) -> Table:
    """One row per fold; errors are clustered by day."""
    rows = [
        (
            one.tested.period,
            span(one.train),
            f"{one.train_count:,}",
            span(one.test),
            f"{one.tested.samples:,}",
            with_error(one.tested.auc),
            with_error(one.tested.log_loss_gain, 4, signed=True),
            with_error(one.tested.utility_gain_r, signed=True),
        )
        for one in walk.folds
    ]
    head = ("fold", "trained on", "n", "tested on", "n", "AUC ± SE", "gain ± SE", "R gain ± SE")
    return Table(head, rows)


def walk_forward_summary(walk: WalkForwardReport) -> Table:
    """What all folds say together; what has no value says why."""
    found = walk.summary
    if found is None:
        return Table((), [])
    words = (
        (
            "efficiency",
            2,
            "Utility gain after the selection over that before it; above .4 is good.",
        ),
        ("auc_efficiency", 2, "The same of AUC - 1/2."),
        ("log_loss_efficiency", 2, "The same of the gain in log-loss."),
        ("utility_t", 2, "t of the mean utility gain of all folds stitched together."),
        ("log_loss_t", 2, "t of the mean gain in log-loss; above 1.645 by chance once in twenty."),
    )
    rows = [
        (
            name.replace("_", " ").replace("log loss", "log-loss").replace("auc", "AUC"),
            _or_why(getattr(found, name), digits, found.reasons.get(name)),
            meaning,
        )
        for name, digits, meaning in words
    ]
    return Table(("all folds together", "", "meaning"), rows, words=(2,))


def overfitting_table(found: Overfitting) -> Table:
    """How much of the record the search may have made."""
    pbo, deflated = found.pbo, found.deflated
    reach = "" if pbo.low is None else f" ({decimal(pbo.low)} to {decimal(pbo.high)})"
    rows = [
        (
            "probability of overfitting (PBO)",
            _or_why(pbo.pbo, 2, pbo.reason) + reach,
            f"How often the best of {counted(pbo.trials, 'trial')} on one half of "
            f"{counted(pbo.days, 'day')} falls below the median on the other; one PBO is noisy, "
            "in brackets its 90 % range.",
        ),
        (
            "probability of loss",
            _or_why(pbo.probability_of_loss, 2, pbo.reason),
            "How often the selected trial loses on the other half.",
        ),
        (
            "Sharpe ratio of the accepted",
            _or_why(deflated.sharpe, 2, deflated.reason),
            f"Annualised, of daily R over {counted(deflated.days, 'day')}.",
        ),
        (
            "what luck would show",
            _or_why(deflated.benchmark, 2, deflated.reason),
            f"The best Sharpe ratio of {counted(deflated.trials, 'worthless trial')}, all that "
            "the ledger counts.",
        ),
        (
            "deflated Sharpe ratio",
            _or_why(deflated.probability, 2, deflated.reason),
            "The probability that it is more than that luck; .95 is asked for.",
        ),
    ]
    return Table(("figure", "", "meaning"), rows, words=(2,))


def features_table(choice: FeatureChoice, importance: Importance | None) -> Table:
    """What the model reads, most moved first; how many folds chose it, and what it does."""
    moved = {one.feature: one for one in importance.contributions} if importance else {}
    lost = {f: one for one in importance.permuted for f in one.features} if importance else {}
    order = sorted(
        choice.columns, key=lambda name: (-moved[name].magnitude if name in moved else 0.0, name)
    )
    rows = [
        (
            name,
            share(choice.share_by_feature.get(name)),
            decimal(moved[name].magnitude, 3) if name in moved else NONE,
            share(moved[name].share) if name in moved else NONE,
            decimal(moved[name].direction, 2, signed=True) if name in moved else NONE,
            decimal(lost[name].lost, 4, signed=True) if name in lost else NONE,
        )
        for name in order[:FEATURES_LISTED_MAX]
    ]
    if len(order) > FEATURES_LISTED_MAX:
        rows.append((f"… {len(order) - FEATURES_LISTED_MAX} more", "", "", "", "", ""))
    head = ("feature", "folds that chose it", "mean |log-odds|", "share", "direction", "nats lost")
    return Table(head, rows, words=(0,))


def periods_table(name: str, periods: Sequence[PeriodFigures]) -> Table:
    """The same figures period by period."""
    rows = [
        (
            one.period,
            f"{one.samples:,}",
            f"{one.days:,}",
            told(one.base_rate, 3),
            told(one.auc, 3),
            with_error(one.log_loss_gain, 4, signed=True),
            with_error(one.mean_r, signed=True),
            with_error(one.utility_gain_r, signed=True),
        )
        for one in periods
    ]
    head = ("period", "signals", "days", "base rate", "AUC", "gain ± SE", "mean R", "R gain ± SE")
    return Table(head, rows, name)


def served_table(found: ServedDifference) -> Table:
    """Which features the stream served otherwise than they are recomputed, most often first."""
    unlike = [one for one in found.features if one.differ > 0.0]
    order = sorted(unlike, key=lambda one: (-one.astray, -one.differ, one.name))
    rows = [
        (
            one.name,
            share(one.differ),
            share(one.astray),
            share(one.unknown_served),
            share(one.unknown_recomputed),
            f"{one.max_difference:.3g}",
        )
        for one in order[:FEATURES_LISTED_MAX]
    ]
    if len(order) > FEATURES_LISTED_MAX:
        rows.append((f"… {len(order) - FEATURES_LISTED_MAX} more", "", "", "", "", ""))
    unknown = ("unknown when served", "unknown when recomputed")
    return Table(("feature", "differ", "beyond rounding", *unknown, "at most"), rows, words=(0,))


def causes_table(found: ServedDifference) -> Table:
    """What kinds of differences there are, and what makes them."""
    rows = [
        (
            one.kind.replace("_", " "),
            f"{one.signals:,}",
            f"{day(one.first_ts)} to {day(one.last_ts)}",
            one.words,
        )
        for one in found.causes
    ]
    return Table(("trace", "signals", "days", "what makes it"), rows, "Traces", words=(3,))


def provenance_table(report: ModelReport) -> Table:
    """What the model was made from."""
    of, spans, samples = report.identity, report.spans, report.samples
    trained = NONE if of.trained_ts is None else minute(of.trained_ts)
    sealed = "none" if spans.holdout is None else span(spans.holdout)
    opened = NONE if report.holdout is None else minute(report.holdout.opened_ts)
    rows = [
        ("strategy", of.strategy),
        ("symbol", "all" if of.symbol is None else of.symbol),
        ("interval", of.interval),
        ("parameters of the strategy", params_in_words(of.params)),
        ("model", of.version or "none was written"),
        ("trained", trained),
        ("last label known", day(of.known_to_ts)),
        ("searched", f"{span(spans.research)}, {spans.scheme}"),
        ("held out", sealed),
        ("holdout opened", opened),
        ("embargo", f"{spans.embargo_days:g} days"),
        ("purged", f"{spans.purged:,} samples that touch the holdout"),
        ("samples", _samples(report)),
        ("vectors", f"{samples.vectors}, {counted(samples.features, 'feature')}"),
        ("data", of.data_digest),
        ("code", of.code_version),
        ("seed", str(of.seed)),
        (
            "libraries",
            params_in_words(dict(sorted(of.libraries.items()))) if of.libraries else NONE,
        ),
    ]
    return Table(("", ""), rows, words=(1,))


def settings_table(settings: dict[str, Any]) -> Table:
    """The pipeline's settings."""
    rows = [
        (name, params_in_words(value) if isinstance(value, dict) else _value(value))
        for name, value in settings.items()
    ]
    return Table(("", ""), rows, "Settings of the pipeline", words=(1,))


def gate_table(figures: dict[str, float]) -> Table:
    """The gate's figures, as they stand on the card."""
    rows = [(name.replace("_", " "), f"{value:.5g}") for name, value in sorted(figures.items())]
    return Table(("the gate's figures", ""), rows)


def _samples(report: ModelReport) -> str:
    of = report.samples
    return (
        f"{of.count:,} on {counted(of.days, 'day')} of {counted(of.symbols, 'symbol')}, "
        f"{of.effective:,.0f} independent at most, base rate {decimal(of.base_rate, 3)}, "
        f"mean {decimal(of.mean_r, 3, ' R', signed=True)}; {of.holdout_count:,} held out"
    )


def _or_why(value: float | None, digits: int, reason: str | None) -> str:
    if value is not None:
        return decimal(value, digits)
    return f"{NONE} {reason}" if reason else NONE


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(_value(one) for one in value) or "none"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= VALUE_SHOWN_MAX else text[: VALUE_SHOWN_MAX - 1] + "…"
