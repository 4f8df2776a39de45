"""What people see of the pipeline: how far it is, and in the end a line for each model."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from deploy.output import Output
from deploy.report import in_words
from deploy.tables import plain_table
from trainers.pipeline.model_report import Identity, ModelFailure, ModelReport
from trainers.pipeline.pipeline_run import PAGE_FILE, PipelineJob, Told
from trainers.pipeline.training_task import Stage
from trainers.reports.model_words import with_error

BAR_WIDTH = 24
LINES_MAX = 12
"""So many failures, and so many warnings, are told; all of them are in the accounts."""

LEGEND = "of the holdout, ± standard error; R gain: net R per signal of what is accepted over all"
NAME_MAX, GATE_MIN = 19, 12
"""A longer name of a strategy is folded, and so is what does not fit of the gate's word."""
OTHERS_WIDTH = 68
"""What the columns but the gate's take."""


class Found(NamedTuple):
    """What became of a job; `was_there`: it had been made by an earlier run."""

    told: Told
    was_there: bool


@contextmanager
def pipeline_progress(
    console: Console, jobs: int
) -> Iterator[tuple[Callable[[Stage], None], Callable[[PipelineJob], None]]]:
    """Yield what is told of stages, and of jobs that are done; only a terminal shows it."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=BAR_WIDTH),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        models = progress.add_task("models", total=jobs)
        stage = progress.add_task("samples", total=None)
        names = {stage: "samples"}

        def on_stage(at: Stage) -> None:
            if names[stage] != at.name:
                # Trials of one learner say nothing of how long those of another take.
                names[stage] = at.name
                progress.reset(stage, description=at.name, total=at.total)
            progress.update(stage, completed=at.done, total=at.total)

        def on_done(_job: PipelineJob) -> None:
            on_stage(Stage("samples", 0, 1))
            progress.advance(models)

        yield on_stage, on_done


def show_pipeline(found: Sequence[Found], folder: Path, output: Output) -> None:
    """Write a line for each model, what speaks against it, why others failed, and what is where."""
    reports = [one.told for one in found if isinstance(one.told, ModelReport)]
    failures = [one.told for one in found if isinstance(one.told, ModelFailure)]
    if reports:
        rows = [(told, was) for told, was in found if isinstance(told, ModelReport)]
        output.show(_table(rows, output.console.width))
        output.say(LEGEND)
    _say_first([f"failed: {of(lost)}: {lost.reason}" for lost in failures], folder, output)
    warnings = [f"{of(one.identity)}: {w}" for one in reports for w in one.samples.warnings]
    _say_first(warnings, folder, output)
    differences = [
        f"{of(one.identity)}: served against recomputed, {one.served_difference.verdict}"
        for one in reports
        if one.served_difference is not None
    ]
    _say_first(differences, folder, output)
    for one in reports:
        if "model" in one.files:
            output.say(f"model: {folder / one.files['model']}")
    output.say(f"accounts: {folder / PAGE_FILE}")


def of(told: Identity | ModelFailure) -> str:
    """Return whose signals a model is for, in words."""
    return f"{told.strategy} on {told.symbol or 'all symbols'}"


def _say_first(lines: list[str], folder: Path, output: Output) -> None:
    for line in lines[:LINES_MAX]:
        output.say(line)
    if len(lines) > LINES_MAX:
        output.say(f"{len(lines) - LINES_MAX} more of these: {folder / PAGE_FILE}")


def _table(found: Sequence[tuple[ModelReport, bool]], width: int) -> Table:
    table = plain_table()
    widest = max(len(told.identity.strategy) for told, _ in found)
    table.add_column("strategy", overflow="fold", min_width=min(widest, NAME_MAX))
    table.add_column("symbol", overflow="fold")
    for name in ("samples", "AUC", "R gain"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("gate", overflow="fold", max_width=max(GATE_MIN, width - OTHERS_WIDTH))
    for told, was_there in found:
        evaluation = told.holdout.evaluation if told.holdout is not None else None
        accepted = evaluation.acceptance if evaluation is not None else None
        gate = "passed" if told.verdict.promoted else in_words(told.verdict.reason)
        table.add_row(
            Text(told.identity.strategy),
            Text(told.identity.symbol or "all"),
            f"{told.samples.count + told.samples.holdout_count:,}",
            with_error(evaluation.auc) if evaluation is not None else "-",
            with_error(accepted.utility_gain_r, signed=True) if accepted is not None else "-",
            f"{gate}, as before" if was_there else gate,
        )
    return table
