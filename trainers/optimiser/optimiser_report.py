"""What an optimisation found, and whether any of it is evidence of skill."""

from typing import Any

import msgspec

from trainers.optimiser.holdout import Agreement, Opened
from trainers.optimiser.study_figures import PboFigures, WalkForwardFigures
from trainers.optimiser.study_spans import Span
from trainers.statistics.performance import Performance
from trainers.statistics.sharpe import CONFIDENCE

T_MIN = 1.645
"""Of the stitched walk-forward: one-sided 5 %."""


class TrialCounts(msgspec.Struct, frozen=True):
    """Trials of the study: `complete`, of which `found` were there when it was started; of those
    `distinct` in their parameters, `refused` by the strategy, `counting`, with enough trades.
    """

    complete: int
    found: int
    distinct: int
    refused: int
    counting: int


class SpanFigures(msgspec.Struct, frozen=True):
    """The first and last day of a span, and what the configuration did on it."""

    first: str
    last: str
    performance: Performance | None


class DeflatedFigures(msgspec.Struct, frozen=True):
    """The chosen Sharpe ratio over train and validation, deflated by the ledger's `trials`.

    `benchmark`, annualised: what the best of as many worthless ones would show. `effective`: how
    many independent trials those of this study amount to.
    """

    probability: float | None
    benchmark: float | None
    trials: int
    effective: float


class HoldoutFigures(msgspec.Struct, frozen=True):
    """The sealed span. `opened_before`: how often, of these `for_others` with other parameters."""

    first: str
    last: str
    performance: Performance | None
    agrees: bool
    reason: str
    opened_before: int
    for_others: int


class OptimiserReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that an optimisation has to say; `sentence` is its conclusion.

    `params` and `portfolio` of the chosen trial, `value` its objective on the train days and
    `validation_value` the mean over the folds; `own_…` those of the run file's configuration,
    None where the ranges do not hold it.
    """

    strategy: str
    study: str
    objective: str
    seed: int
    trials: TrialCounts
    trial: int
    params: dict[str, Any]
    portfolio: dict[str, Any]
    value: float
    validation_value: float
    own_value: float | None
    own_validation_value: float | None
    train: SpanFigures
    validation: SpanFigures
    holdout: HoldoutFigures
    importance: dict[str, float] | None
    deflated: DeflatedFigures
    pbo: PboFigures | None
    walk_forward: WalkForwardFigures
    is_evidence: bool
    sentence: str


def span_figures(span: Span, performance: Performance | None) -> SpanFigures:
    """Return the figures of a span."""
    return SpanFigures(*span.dates, performance)


def holdout_figures(
    span: Span, performance: Performance | None, agreement: Agreement, opened: Opened
) -> HoldoutFigures:
    """Return the figures of the holdout."""
    first, last = span.dates
    return HoldoutFigures(
        first=first,
        last=last,
        performance=performance,
        agrees=agreement.agrees,
        reason=agreement.reason,
        opened_before=opened.before,
        for_others=opened.for_others,
    )


def conclude(
    deflated: DeflatedFigures,
    walk_forward: WalkForwardFigures,
    holdout: HoldoutFigures,
    *,
    counts: TrialCounts,
) -> tuple[bool, str]:
    """Return whether there is evidence of skill, and the sentence that says so.

    Evidence is: a deflated Sharpe ratio of CONFIDENCE or more, a stitched walk-forward whose
    t-statistic is T_MIN or more, and a holdout that agrees and was sealed. The PBO is no part of
    it: among trials that are equally good it is .5, as among those equally worthless.
    """
    probability, t_statistic = deflated.probability, walk_forward.t_statistic
    told = "none" if probability is None else _short(probability)
    against = []
    if not counts.counting:
        against.append("no trial closed enough trades on the train days")
    if probability is None or probability < CONFIDENCE:
        against.append(f"deflated Sharpe {told} after {deflated.trials} trials")
    if t_statistic is None or t_statistic < T_MIN:
        shown = "none" if t_statistic is None else f"{t_statistic:.2f}"
        against.append(f"walk-forward t {shown}, below {T_MIN}")
    if not holdout.agrees:
        against.append(f"the holdout does not agree: {holdout.reason}")
    if holdout.for_others:
        against.append(
            f"the holdout was opened {holdout.for_others} times before for other parameters, "
            "and is sealed no longer"
        )
    if against:
        return False, f"no evidence of skill: {'; '.join(against)}"
    return True, (
        f"evidence of skill: deflated Sharpe {told} after {deflated.trials} trials, walk-forward "
        f"t {t_statistic:.2f}, and the holdout agrees ({holdout.reason})"
    )


def _short(value: float) -> str:
    """Without a zero before the point: .31."""
    return f"{value:.2f}".removeprefix("0")
