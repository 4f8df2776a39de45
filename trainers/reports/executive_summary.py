"""The account of a model on one page of plain text, 80 columns: for who has a minute."""

import textwrap
from collections.abc import Iterable, Sequence

from models.card import DIGEST_SHOWN
from trainers.evaluation.evaluation import Evaluation
from trainers.pipeline.model_report import ModelReport
from trainers.reports.model_caveats import caveats
from trainers.reports.model_pictures import HOLDOUT, OUT_OF_FOLD
from trainers.reports.model_verdict import next_step, sentence
from trainers.reports.model_words import NONE, counted, decimal, estimate, minute, scope, span
from trainers.reports.words import share

COLUMNS = 80
NAME_COLUMNS = 20
VALUE_COLUMNS = 29
CAVEATS_SHOWN_MAX = 8
CAVEAT_SHOWN_MAX = 240


def executive_summary(report: ModelReport) -> str:
    """Return the summary, the same for the same report; no line is longer than COLUMNS."""
    lines = [
        *_wrapped(f"Executive summary: {scope(report.identity)}"),
        "=" * COLUMNS,
        *_part("Verdict", _wrapped(sentence(report), indent=2)),
        *_part("What to do", _wrapped(next_step(report), indent=2)),
        *_part("What decided", [*_figures(report), *_search(report)]),
        *_part("Before you believe it", _caveats(report)),
        *_part("Where it comes from", _provenance(report)),
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _part(title: str, lines: Iterable[str]) -> list[str]:
    return ["", title.upper(), *lines]


def _figures(report: ModelReport) -> list[str]:
    found: list[tuple[str, Evaluation]] = []
    if report.out_of_fold is not None:
        found.append((OUT_OF_FOLD, report.out_of_fold))
    if report.holdout is not None:
        found.append((HOLDOUT, report.holdout.evaluation))
    if not found:
        return _wrapped("Nothing was evaluated.", indent=2)
    columns = [_told(one) for _, one in found]
    return [
        _row("", [name for name, _ in found]),
        *(_row(name, [column[name] for column in columns]) for name in columns[0]),
        "",
    ]


def _told(found: Evaluation) -> dict[str, str]:
    told = {
        "signals": f"{found.samples:,} on {counted(found.days, 'day')}",
        "base rate": estimate(found.base_rate, 3),
        "AUC": estimate(found.auc, 3),
        "log-loss gain, nats": estimate(found.log_loss_gain, 4, signed=True),
        "calibration slope": estimate(found.reliability.slope),
    }
    accepted = found.acceptance
    if accepted is None:
        return told | dict.fromkeys(
            ("accepted", "mean R, accepted", "mean R, all", "R gained a signal"), NONE
        )
    return told | {
        "accepted": f"{share(accepted.share)} from {decimal(accepted.threshold, 3)} on",
        "mean R, accepted": estimate(accepted.mean_r, 3, signed=True),
        "mean R, all": estimate(accepted.mean_r_all, 3, signed=True),
        "R gained a signal": estimate(accepted.utility_gain_r, 3, signed=True),
    }


def _search(report: ModelReport) -> list[str]:
    told = {}
    walk = report.walk_forward.summary if report.walk_forward else None
    if walk is not None:
        told["walk-forward"] = (
            f"{counted(len(walk.folds), 'fold')}, t {decimal(walk.log_loss_t)} of the gain, "
            f"efficiency {decimal(walk.efficiency)}"
        )
    if report.combinatorial is not None:
        area = report.combinatorial.figures.auc
        reach = f"({decimal(area.lower_quartile, 3)} to {decimal(area.upper_quartile, 3)})"
        paths = counted(report.combinatorial.figures.paths, "path")
        told["purged paths"] = f"{paths}, median AUC {decimal(area.median, 3)} {reach}"
    if report.overfitting is not None:
        pbo, deflated = report.overfitting.pbo, report.overfitting.deflated
        told["overfitting"] = (
            f"PBO {decimal(pbo.pbo)} ({decimal(pbo.low)} to {decimal(pbo.high)}), deflated Sharpe "
            f"{decimal(deflated.probability)} after {counted(deflated.trials, 'trial')}"
        )
    chosen = [one for one in report.candidates if one.is_chosen]
    for one in chosen:
        of = f" of {', '.join(one.members)}" if one.members else ""
        told["model"] = f"{one.name}{of}, chosen of {len(report.candidates)} candidates"
    choice = report.feature_choice
    if choice is not None:
        stable = "" if choice.stability is None else f", stability {estimate(choice.stability)}"
        told["features"] = f"{len(choice.columns)} of {report.samples.features}{stable}"
    return [line for name, text in told.items() for line in _named(name, text)]


def _caveats(report: ModelReport) -> list[str]:
    found = caveats(report)
    if not found:
        return _wrapped("No figure speaks against it. The past is still the past.", indent=2)
    shown = [_cut(one) for one in found[:CAVEATS_SHOWN_MAX]]
    if len(found) > CAVEATS_SHOWN_MAX:
        shown.append(f"{len(found) - CAVEATS_SHOWN_MAX} more: see the report")
    return [line for one in shown for line in _wrapped(f"- {one}", indent=2, hanging=2)]


def _provenance(report: ModelReport) -> list[str]:
    of, spans, samples = report.identity, report.spans, report.samples
    sealed = "nothing"
    if spans.holdout is not None:
        sealed = f"{span(spans.holdout)}, {counted(samples.holdout_count, 'sample')}"
    opened = NONE if report.holdout is None else minute(report.holdout.opened_ts)
    told = {
        "searched": f"{span(spans.research)}, {counted(samples.count, 'sample')} "
        f"({samples.effective:,.0f} independent at most)",
        "held out": sealed,
        "opened": opened,
        "data": of.data_digest[:DIGEST_SHOWN],
        "made by": f"code {of.code_version}, seed {of.seed}",
        "trained": NONE if of.trained_ts is None else minute(of.trained_ts),
        **report.files,
    }
    return [line for name, text in told.items() for line in _named(name, text)]


def _row(name: str, values: Sequence[str]) -> str:
    cells = "".join(value[: VALUE_COLUMNS - 1].ljust(VALUE_COLUMNS) for value in values)
    return f"  {name.ljust(NAME_COLUMNS)}{cells}"


def _named(name: str, text: str) -> list[str]:
    cut = name[: NAME_COLUMNS - 1].ljust(NAME_COLUMNS)
    return _wrapped(cut + text, indent=2, hanging=NAME_COLUMNS)


def _wrapped(text: str, *, indent: int = 0, hanging: int = 0) -> list[str]:
    """Return the lines of a text; what is not printable, a line end say, is a question mark."""
    plain = "".join(one if one.isprintable() else "?" for one in text)
    return textwrap.wrap(
        plain,
        COLUMNS,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + hanging),
        break_on_hyphens=False,
    )


def _cut(text: str) -> str:
    return text if len(text) <= CAVEAT_SHOWN_MAX else text[: CAVEAT_SHOWN_MAX - 1] + "…"
