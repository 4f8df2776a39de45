"""What `assay learn` did or found, in lines for people."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from rich.console import RenderableType

from deploy.learning.answering import Answered
from deploy.learning.drift_check import Checked
from deploy.learning.history import HistoryEntry
from deploy.learning.learning_status import LearningStatus
from deploy.learning.standing_drift import StandingDrift
from deploy.monitor.event_words import clock, day, number
from deploy.monitor.monitor_view import picture_view
from deploy.report import short_version
from deploy.terminal_text import one_line
from engine.drift.watch_state import WatchState

LINE_MAX = 320
INDENT = "    "
NULL = "the null model"
NO_SKILL = "not_better_than_null"
NOT_INFERIOR = "not_inferior_after_drift"
"""Why a model came into force of which it was not asked to be better than the champion."""


def checked_lines(checked: Checked, standing: Iterable[StandingDrift]) -> list[str]:
    """Say where every watch stands, and which drifts do."""
    said_by = ", as the live drift role has" if checked.has_role else ""
    lines = [f"judged up to {_moment(checked.judged_ts)}{said_by}"]
    if checked.judged_ts <= 0:
        lines = ["there are no outcomes to judge yet"]
    lines += [line for watch in checked.watches for line in _watch(watch)]
    if not checked.watches:
        lines.append("no model is watched yet")
    return [*lines, *standing_lines(standing)]


def standing_lines(standing: Iterable[StandingDrift]) -> list[str]:
    """Say which drifts stand on models in force."""
    lines = [
        f"{one.strategy}: drift stands on {short_version(one.strategy, one.model)} "
        f"({one.channel}, {one.detector}) since {day(one.changepoint_ts)}, told {day(one.ts)}"
        for one in standing
    ]
    return [one_line(line, LINE_MAX) for line in lines] or ["no drift stands"]


def answer_lines(answers: Iterable[Answered]) -> list[str]:
    """Say what requests came to, with the figures of the gate."""
    lines = []
    for one in answers:
        scope = one.strategy if one.symbol is None else f"{one.strategy} on {one.symbol}"
        did = _did(one)
        lines.append(f"{scope}: {one.action} ({one.asked}, as of {day(one.ts)}): {did}")
        figures = figure_words(one.figures)
        if figures:
            lines.append(f"{INDENT}{figures}")
    return [one_line(line, LINE_MAX) if line[0] != " " else line[:LINE_MAX] for line in lines]


def figure_words(figures: Mapping[str, float | str]) -> str:
    """Write the figures that decided as people say them, "" where there are none.

    >>> figure_words({"gate_outcomes": 312.0, "gate_auc": 0.61})
    'judged on 312 outcomes; AUC 0.610'
    >>> figure_words({"p_value_vs_null": 0.004, "skill_alpha": 0.05})
    'p 0.004 of being no better than the null model (below 0.05 is asked)'
    """
    parts = []
    if isinstance(made_of := figures.get("training_samples"), int | float):
        parts.append(f"trained on {made_of:,.0f} samples")
    if isinstance(outcomes := figures.get("gate_outcomes"), int | float):
        parts.append(f"judged on {outcomes:,.0f} outcomes")
    if isinstance(area := figures.get("gate_auc"), int | float):
        against = figures.get("champion_auc")
        beside = f", the champion's {against:.3f}" if isinstance(against, int | float) else ""
        parts.append(f"AUC {area:.3f}{beside}")
    is_close_enough = figures.get("reason") == NOT_INFERIOR
    for other, its_level, name in (
        ("null", "skill_alpha", NULL),
        ("champion", "" if is_close_enough else "alpha", "the champion"),
    ):
        p, level = figures.get(f"p_value_vs_{other}"), figures.get(its_level)
        if isinstance(p, int | float):
            asked = f" (below {number(level)} is asked)" if isinstance(level, int | float) else ""
            parts.append(f"p {number(p)} of being no better than {name}{asked}")
    return "; ".join([*parts, *_what_else_failed(figures)])


def _what_else_failed(figures: Mapping[str, float | str]) -> list[str]:
    """Say why a model was refused whose ranking was sure enough."""
    p, level = figures.get("p_value_vs_null"), figures.get("skill_alpha")
    is_sure = isinstance(p, int | float) and isinstance(level, int | float) and p < level
    if not is_sure or figures.get("reason") != NO_SKILL:
        return []
    gains = [figures.get(f"log_loss_gain_vs_{other}") for other in ("null", "level")]
    if any(isinstance(gain, int | float) and gain <= 0.0 for gain in gains):
        return ["its probabilities are no better than one constant"]
    earned, error = (figures.get(f"utility_gain_{of}_vs_null") for of in ("r", "error"))
    is_less = isinstance(earned, int | float) and isinstance(error, int | float) and earned < -error
    return ["what it accepts earns less than taking every signal"] if is_less else []


def too_early_lines(strategies: Iterable[str]) -> list[str]:
    """Say for whom nothing could be asked yet."""
    return [
        f"{one}: a model is due, and there is nothing to learn from yet: no signal has had an "
        "outcome, and the feature database has no sample of it"
        for one in strategies
    ]


def status_view(status: LearningStatus, *, width: int, ascii_only: bool) -> RenderableType:
    """Return the monitor's picture of it."""
    return picture_view(status.picture, width=width, ascii_only=ascii_only)


def last_lines(status: LearningStatus) -> list[str]:
    """Say what was last asked and decided, strategy by strategy."""
    lines = []
    for one in status.strategies:
        if one.last is None:
            lines.append(f"{one.strategy}: nothing was asked for yet")
            continue
        lines += ["last " + line if n == 0 else line for n, line in _numbered([one.last])]
    return lines


def history_lines(entries: Iterable[HistoryEntry]) -> list[str]:
    """Say what happened, an entry a line: event time, the broker's clock, strategy and words."""
    lines = []
    for one in entries:
        waits = " (not answered yet)" if one.kind == "waiting" else ""
        text = f"{day(one.ts)} (at {clock(one.wall_ts)}) {one.strategy}: {one.text}{waits}"
        figures = figure_words(one.figures)
        lines.append(one_line(f"{text} [{figures}]" if figures else text, LINE_MAX))
    return lines


def _numbered(answers: list[Answered]) -> Iterable[tuple[int, str]]:
    return enumerate(answer_lines(answers))


def _watch(watch: WatchState) -> list[str]:
    name = short_version(watch.strategy, watch.model)
    head = f"{watch.strategy}: {name} after {watch.outcomes:,} outcomes"
    if not watch.has_reference:
        return [one_line(f"{head}, its reference is not full yet", LINE_MAX)]
    if watch.changepoint_ts > 0:
        head += (
            f", changed on {day(watch.changepoint_ts)}: "
            f"{watch.outcomes_since_change:,} outcomes since"
        )
    lines = [one_line(head, LINE_MAX)]
    for one in watch.detectors:
        level = "  detected" if one.has_detected else "  warning" if one.is_warning else ""
        share = f"{number(one.statistic)} of {number(one.threshold)}"
        lines.append(f"{INDENT}{one.channel:<11} {one.detector:<14} {share}{level}")
    return lines


def _did(one: Answered) -> str:
    name = short_version(one.strategy, one.version)
    if not one.is_promoted:
        made = f" ({name} stays in the shadow)" if one.digest else ""
        return f"kept, {one.words}{made}"
    if one.share <= 0.0:
        return f"canary {name} ended, {one.words}"
    if one.share < 1.0:
        return f"{name} answers {one.share:.0%} as a canary, {one.words}"
    return f"promoted {name} from {day(one.effective_ts)} on, {one.words}"


def _moment(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts / 1e9, UTC):%Y-%m-%d %H:%M}"
