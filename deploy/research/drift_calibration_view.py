"""What `assay drift calibrate` says: sentences, tables, lines to paste, one document."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf, isfinite
from typing import Any

import msgspec
import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from deploy.output import Output
from deploy.research.drift_calibration import Calibrated, Known, config_tree
from deploy.tables import plain_table
from trainers.false_alarms.budget_study import STAGES, Progress, Promise
from trainers.false_alarms.delays import SOUND_OUTCOMES, Delay
from trainers.false_alarms.drift_law import DRIFTS, HALF, LEVEL, LOSS, NONE, REVERSAL
from trainers.false_alarms.outcome_profile import OutcomeProfile

BAR_WIDTH = 24
CHANNEL_OF = {LOSS: "ranking", REVERSAL: "ranking", HALF: "ranking", LEVEL: "calibration"}
IN_WORDS = {**DRIFTS, NONE: "no drift at all"}
CLEAR_ERRORS = 2.0
TEN_YEARS_MONTHS, LONG_MONTHS = 120.0, 240.0


@contextmanager
def calibration_progress(console: Console) -> Iterator[Callable[[Progress], None]]:
    """Yield what is told how far a study is; only a terminal shows it."""
    with Bar(
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=BAR_WIDTH),
        MofNCompleteColumn(),
        TextColumn("streams, ETA"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        tasks = {stage: bar.add_task(stage, total=None, start=False) for stage in STAGES}

        def tell(at: Progress) -> None:
            task = tasks[at.stage]
            if at.done == 1:
                bar.start_task(task)
            bar.update(task, completed=at.done, total=at.total)

        yield tell


def show(found: Calibrated, horizon: int, output: Output) -> None:
    """Write what was found, for people."""
    for known in found.known:
        for line in _model_sentences(known):
            output.say(line)
        promise = found.study.promises.get(known.strategy) if found.study else None
        if promise is not None and known.profile is not None:
            for line in promise_sentences(promise, known.profile, found.strategies, horizon):
                output.say(f"  {line}")
            output.show(_delay_table(promise, known.profile, horizon))
        output.say("")
    if found.study is None:
        output.say("nothing can be calibrated: see the reasons above")
        return
    output.show(_threshold_table(found))
    if not found.study.is_whole:
        output.say("\nstopped before the end: what is not there was not simulated")
    output.say(f"\nin the run file:\n{config_line(found)}")


def config_line(found: Calibrated) -> str:
    """Return the line to paste into a run file."""
    drift = yaml.safe_dump(
        config_tree(found)["drift"], sort_keys=False, default_flow_style=True, width=inf
    )
    return f"drift: {drift.strip()}"


def all_sentences(found: Calibrated, horizon: int) -> list[str]:
    """Return the promises of all strategies, a line each."""
    if found.study is None:
        return []
    return [
        f"{known.strategy}: {line}"
        for known in found.known
        if known.profile is not None and known.strategy in found.study.promises
        for line in promise_sentences(
            found.study.promises[known.strategy], known.profile, found.strategies, horizon
        )
    ]


def promise_sentences(
    promise: Promise, profile: OutcomeProfile, strategies: int, horizon: int
) -> list[str]:
    """Return what the thresholds promise a strategy, in plain words."""
    delays = {(one.law, one.by): one for one in promise.delays}
    found = {law: delays.get((law, CHANNEL_OF[law])) for law in DRIFTS}
    said = [_false_alarm_sentence(promise, profile, strategies)]
    months = (promise.outcomes_to_false_alarm or 0.0) / strategies / profile.per_month
    if months > LONG_MONTHS:
        budget = f"{TEN_YEARS_MONTHS * profile.per_month:.2g}"
        said.append(
            f"a smaller budget finds sooner: --budget {float(budget):.0f} is one in ten years"
        )
    first, second = found[LOSS], found[REVERSAL]
    if first is not None and second is not None:
        words = f"a loss of all skill {_found(first, delays, profile, horizon)}"
        said.append(f"{words}, a reversal {_found(second, delays, profile, horizon)}")
    for law in (HALF, LEVEL):
        one = found[law]
        if one is not None:
            said.append(f"{IN_WORDS[law]}: {_found(one, delays, profile, horizon)}")
    return said


def document_of(found: Calibrated, horizon: int) -> dict[str, Any]:
    """Return all of it for machines."""
    study = found.study
    return {
        "calibrated": study is not None,
        "is_whole": study is not None and study.is_whole,
        "budget": found.drift.budget,
        "strategies_watched": found.strategies,
        "horizon_outcomes": horizon,
        "sound_outcomes": SOUND_OUTCOMES,
        "choices": [] if study is None else msgspec.to_builtins(study.choices),
        "strategies": [_strategy_document(one, found, horizon) for one in found.known],
        **config_tree(found),
    }


def _strategy_document(known: Known, found: Calibrated, horizon: int) -> dict[str, Any]:
    profile = known.profile
    told: dict[str, Any] = {
        "strategy": known.strategy,
        "origin": known.origin,
        "model": known.model,
        "why_not": known.why_not,
    }
    if profile is None:
        return told
    seen, overlap = profile.seen, profile.overlap
    told |= {
        "outcomes": len(profile),
        "per_month": _finite(profile.per_month),
        "base_rate": profile.base_rate,
        "promised_auc": profile.promised_auc,
        "seen_auc": None if seen is None else seen.auc.value,
        "seen_auc_error": None if seen is None else _finite(seen.auc.error),
        "open_together": overlap.open_together,
        "correlation": overlap.correlation,
        "correlation_error": _finite(overlap.error),
    }
    promise = found.study.promises.get(known.strategy) if found.study else None
    if promise is not None:
        sentences = promise_sentences(promise, profile, found.strategies, horizon)
        told |= {"promise": msgspec.to_builtins(promise), "sentences": sentences}
    return told


def _model_sentences(known: Known) -> list[str]:
    profile = known.profile
    if profile is None:
        return [f"{known.strategy}: {known.why_not}"]
    said = [f"{known.strategy}: {_origin(known, profile)}"]
    seen, overlap = profile.seen, profile.overlap
    line = f"  its probabilities promise an AUC of {profile.promised_auc:.3f}"
    if seen is not None:
        line += f", its outcomes show {seen.auc.value:.3f} ± {seen.auc.error:.3f}"
    said.append(f"{line}; base rate {profile.base_rate:.2f}")
    if seen is not None and abs(seen.level.value) > CLEAR_ERRORS * seen.level.error:
        said.append(
            f"  its level is off by {seen.level.value:+.2f} ± {seen.level.error:.2f} in log-odds: "
            "recalibrate it, or the calibration channel will alarm soon"
        )
    if seen is not None and profile.promised_auc - seen.auc.value > CLEAR_ERRORS * seen.auc.error:
        said.append("  it promises more than it keeps: what follows holds for a sound model")
    months = f"{profile.per_month:.1f} outcomes a month" if isfinite(profile.per_month) else ""
    together = f"{overlap.open_together:.1f} trades open together"
    if overlap.open_together > 1.0 and isfinite(overlap.error):
        together += f", correlated by {overlap.correlation:.2f} ± {overlap.error:.2f}"
        together += " (taken as 0)" if overlap.correlation < 0.0 else ""
    said.append(f"  {'; '.join(filter(None, (months, together)))}")
    if known.why_not:
        said.append(f"  {known.why_not}")
    return said


def _origin(known: Known, profile: OutcomeProfile) -> str:
    count = f"{len(profile):,}"
    return {
        "stored": f"model {known.model}, by what it said of {count} outcomes",
        "file": f"model {known.model}, on {count} outcomes that it was not trained on",
        "out_of_fold": f"no model has spoken yet; {known.model} out of fold on {count} outcomes",
        "told": "a calibrated model of the AUC that was told",
    }[str(known.origin)]


def _false_alarm_sentence(promise: Promise, profile: OutcomeProfile, strategies: int) -> str:
    mean = promise.outcomes_to_false_alarm
    if mean is None:
        if promise.false_alarm_streams == 0:
            return "false alarms were not simulated"
        return f"no false alarm on {promise.false_alarm_streams} streams"
    others = f", over all {strategies} strategies one in {_count(mean / strategies)}"
    outcomes = f"one in {_count(mean)} ± {_count(promise.error or 0.0)} outcomes"
    outcomes += others if strategies > 1 else ""
    if not isfinite(profile.per_month):
        return f"one false alarm expected: {outcomes}"
    months = mean / profile.per_month
    return f"one false alarm per {months:.1f} months expected ({outcomes})"


def _found(
    delay: Delay, delays: dict[tuple[str, str], Delay], profile: OutcomeProfile, horizon: int
) -> str:
    if not delay.is_beyond_chance:
        by_chance = delays.get((NONE, delay.by))
        chance = by_chance.found if by_chance is not None else 0.0
        return (
            f"cannot be told from chance within {horizon:,} trades ({delay.found:.0%} alarm, "
            f"{chance:.0%} without any drift)"
        )
    if delay.median is None:
        return f"found within {horizon:,} trades in {delay.found:.0%} of all cases only"
    ends = (_count(delay.low or 0.0), _end(delay.high, horizon))
    words = f"found in {_count(delay.median)} trades ({ends[0]} to {ends[1]}"
    if isfinite(profile.per_month):
        month = profile.per_month
        high = f"{delay.high / month:.1f}" if delay.high is not None else "later"
        low = (delay.low or 0.0) / month
        words += f"; {delay.median / month:.1f} months, {low:.1f} to {high}"
    return f"{words})"


def _delay_table(promise: Promise, profile: OutcomeProfile, horizon: int) -> Table:
    table = plain_table(f"\nfound within {horizon:,} outcomes of the drift")
    for name in ("drift", "by", "found", "10 %", "median", "90 %", "months"):
        justify = "left" if name in ("drift", "by") else "right"
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for one in promise.delays:
        if one.by in ("ranking", "calibration"):
            continue
        median = _end(one.median, horizon)
        if one.median is not None and one.median_error is not None:
            median += f" ± {_count(one.median_error)}"
        month = "-"
        if one.median is not None and isfinite(profile.per_month):
            month = f"{one.median / profile.per_month:.1f}"
        table.add_row(
            IN_WORDS[one.law],
            one.by,
            f"{one.found:.0%}",
            _end(one.low, horizon),
            median,
            _end(one.high, horizon),
            month,
        )
    return table


def _threshold_table(found: Calibrated) -> Table:
    table = plain_table("thresholds")
    for name in ("detector", "channel", "threshold", "false alarm every", "may every", "by"):
        justify = "left" if name in ("detector", "channel", "by") else "right"
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for one in found.study.choices if found.study else ():
        length = "-" if one.run_length is None else _count(one.run_length)
        if one.run_length is not None and one.error is not None:
            length += f" ± {_count(one.error)}"
        table.add_row(
            one.detector,
            one.channel,
            f"{one.threshold:.12g}",
            length,
            _count(one.target),
            one.origin,
        )
    return table


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _end(value: float | None, horizon: int) -> str:
    return f"> {horizon:,}" if value is None else _count(value)


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
