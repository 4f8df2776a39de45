"""Many models on one page: what became of each, how sure that is, and where its own page lies."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from trainers.evaluation.figure import Figure
from trainers.pipeline.model_report import ModelFailure, ModelReport
from trainers.pipeline.pipeline_results import PipelineResults
from trainers.reports.model_caveats import caveats
from trainers.reports.model_page import REPORT_FILE, environment, link, style
from trainers.reports.model_tables import params_in_words
from trainers.reports.model_verdict import (
    FIT,
    KEPT,
    NO_SKILL,
    NOT_MADE,
    REFUSED,
    UNDECIDED,
    headline,
    sentence,
)
from trainers.reports.model_words import counted, decimal, estimate, interval, scope, with_error
from trainers.reports.words import share

FAILED = "Failed"
HEADLINES = (FIT, NO_SKILL, KEPT, UNDECIDED, REFUSED, NOT_MADE, FAILED)

STRIP_FROM, STRIP_TO = 0.3, 0.8
"""The AUC that the left and the right end of a strip stand for."""

STRIP_WIDTH = 220.0


class Strip(NamedTuple):
    """The interval of an AUC as a picture, in its pixels: from left to right, and its middle."""

    left: float
    right: float
    middle: float
    chance: float


class Row(NamedTuple):
    """One model. `says` is the sentence of its verdict, or why it could not be made."""

    name: str
    params: str
    headline: str
    is_promoted: bool
    is_failed: bool
    says: str
    signals: str
    area: str
    strip: Strip | None
    gain: str
    accepted: str
    doubts: int
    address: str


def write_pipeline_page(results: PipelineResults, file: Path) -> None:
    """Write the page to `file`, as a whole. Raises OSError where that cannot be."""
    partial = file.with_name(f".{file.name}.partial")
    partial.write_text(pipeline_page(results), encoding="utf-8")
    partial.replace(file)


def pipeline_page(results: PipelineResults) -> str:
    """Return the page, the same for the same results; it lies beside `pipeline_results.json`."""
    rows = [_row(one) for one in results.models]
    return (
        environment()
        .get_template("pipeline.html.j2")
        .render(
            style=style(),
            created_from=results.created_from,
            verdict=_verdict(rows),
            rows=rows,
            strip_from=decimal(STRIP_FROM, 1),
            strip_to=decimal(STRIP_TO, 1),
        )
    )


def _verdict(rows: list[Row]) -> str:
    """What became of all of them; by chance alone some look good, and that is said too."""
    if not rows:
        return "No model was asked for."
    found = Counter(row.headline for row in rows)
    counts = {name: found[name] for name in HEADLINES if found[name]}
    told = ", ".join(f"{count:,} {name.lower()}" for name, count in counts.items())
    return f"Of {counted(len(rows), 'model')}: {told}."


def _row(of: ModelReport | ModelFailure) -> Row:
    if isinstance(of, ModelFailure):
        return Row(
            name=scope(of),
            params="",
            headline=FAILED,
            is_promoted=False,
            is_failed=True,
            says=of.reason,
            signals="",
            area="",
            strip=None,
            gain="",
            accepted="",
            doubts=0,
            address="",
        )
    found = of.holdout.evaluation if of.holdout else of.out_of_fold
    accepted = found.acceptance if found else None
    return Row(
        name=scope(of.identity),
        params=params_in_words(of.identity.params),
        headline=headline(of),
        is_promoted=of.verdict.promoted,
        is_failed=False,
        says=sentence(of),
        signals=f"{found.samples:,}" if found else "-",
        area=estimate(found.auc, 3) if found else "-",
        strip=_strip(found.auc) if found else None,
        gain=with_error(found.log_loss_gain, 4, signed=True) if found else "-",
        accepted=share(accepted.share) if accepted else "-",
        doubts=len(caveats(of)),
        address=link(of.files.get(REPORT_FILE, "")),
    )


def _strip(area: Figure) -> Strip | None:
    if area.value is None or not interval(area):
        return None
    left, right, middle = (_place(v) for v in (area.low, area.high, area.value))
    return Strip(left, right, middle, _place(0.5))


def _place(value: float | None) -> float:
    """Where on the strip a value lies, at its ends what lies beyond."""
    inside = min(max(value or 0.0, STRIP_FROM), STRIP_TO)
    return round(STRIP_WIDTH * (inside - STRIP_FROM) / (STRIP_TO - STRIP_FROM), 1)
