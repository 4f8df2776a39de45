"""`assay learn`: continuous learning, for cron and for people."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.options import (
    DEFAULT_CONFIG,
    DEFAULT_STATE,
    ConfigOption,
    JsonOption,
    NatsOption,
    SetOption,
    StateOption,
    url_of,
)
from deploy.output import Output
from deploy.state import StateDir
from streams.errors import ConfigError

if TYPE_CHECKING:
    from deploy.learning.learning import Place
    from deploy.learning.learning_status import LearningStatus

LIMIT_DEFAULT = 50
LOCK_FILE = "learn.lock"
WHY_FORCED = "assay learn --retrain --force"
QUIET, NEGATIVE = 0, 1


def learn(
    show_status: Annotated[
        bool, typer.Option("--status", help="Show where every strategy stands.")
    ] = False,
    check_drift: Annotated[
        bool, typer.Option("--check-drift", help="Judge all outcomes that there are.")
    ] = False,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Train where it is due, and decide.")
    ] = False,
    cycle: Annotated[
        bool, typer.Option("--cycle", help="Check, answer all that is asked, show.")
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="Tell what happened, newest last.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="With --retrain: every strategy, no cooldown.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="With --history: the newest so many.")
    ] = LIMIT_DEFAULT,
    strategy: Annotated[
        str | None, typer.Option("--strategy", "-s", help="This one alone.", metavar="NAME")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    assignments: SetOption = None,
    nats: NatsOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Learn continuously without a process that stays; exactly one of the five is to be given.

    The same as the roles drift and trainer do live, in one go: --cycle is the line for cron.
    Beside these roles it waits for them, and nothing happens twice. Give the run's own --config
    and, for its signing key and snapshots, its --state-dir. One at a time per --state-dir: a
    second one ends at once with status 2; the system lets go of a process that died. Killed or
    stopped at any point, it is run again.

    Status 1: a drift stands on a model in force (--check-drift; --cycle: and nothing better was
    found), or something that was asked for was not promoted (--retrain). --retrain asks where a
    drift stands, where there is no model, and where it is older than ml.max_age_days.

    Example: assay learn --cycle --config quickstart --state-dir .assay
    """
    from deploy.config import load_run

    modes = {
        "--status": show_status,
        "--check-drift": check_drift,
        "--retrain": retrain,
        "--cycle": cycle,
        "--history": history,
    }
    mode = _one_of(modes)
    if force and not retrain:
        raise ConfigError(f"--force is for --retrain, was given for {mode}")
    output, state = Output(as_json=as_json), StateDir(state_dir)
    place = (url_of(nats, state), load_run(config, assignments or ()), state, strategy)
    if history:
        _tell(place, limit, output)
    elif show_status:
        _show(place, output)
    else:
        act = _check if check_drift else _cycle if cycle else partial(_retrain, forced=force)
        with _alone(state):
            status = act(place, output)
        raise typer.Exit(status)


def _one_of(modes: dict[str, bool]) -> str:
    given = [name for name, is_given in modes.items() if is_given]
    if len(given) != 1:
        names = f"{', '.join(list(modes)[:-1])} and {list(modes)[-1]}"
        raise ConfigError(
            f"exactly one of {names} says what to do; given: {', '.join(given) or 'none'}"
        )
    return given[0]


@contextmanager
def _alone(state: StateDir) -> Iterator[None]:
    """Hold the state directory against another run that changes something."""
    from deploy.file_lock import FileLock

    state.make()
    lock = FileLock(state.root / LOCK_FILE)
    if not lock.take():
        raise ConfigError(
            f"another assay learn (process {lock.owner()}) is at work in {state.root}; nothing was "
            "done: the next run goes on from there"
        )
    try:
        yield
    finally:
        lock.release()


def _check(place: "Place", output: Output) -> int:
    from deploy.learning.learning import check, run_at
    from deploy.learning.learning_view import checked_lines

    report = run_at(place, check)
    _say(checked_lines(report.checked, report.standing), output)
    output.document(report)
    return NEGATIVE if report.standing else QUIET


def _retrain(place: "Place", output: Output, *, forced: bool) -> int:
    from deploy.learning.learning import retrain, run_at
    from deploy.learning.learning_view import answer_lines, too_early_lines
    from deploy.operations.operator import operator_of

    operator = operator_of(None, WHY_FORCED) if forced else None
    report = run_at(place, lambda site: retrain(site, forced=operator))
    _say(answer_lines(report.answers), output)
    _say(too_early_lines(report.too_early), output)
    if not (report.asked or report.too_early):
        output.say("nothing is due: every strategy has a model, and no drift stands")
    output.document(report)
    return NEGATIVE if report.is_any_kept else QUIET


def _cycle(place: "Place", output: Output) -> int:
    from deploy.learning.learning import cycle, run_at
    from deploy.learning.learning_view import answer_lines, checked_lines, standing_lines

    report = run_at(place, cycle)
    _say(checked_lines(report.checked, ())[:-1], output)
    _say(answer_lines(report.answers) or ["nothing was asked for"], output)
    _say(standing_lines(report.standing), output)
    _picture(report.status, output)
    output.document(report)
    return NEGATIVE if report.standing else QUIET


def _show(place: "Place", output: Output) -> None:
    from deploy.learning.learning import run_at, status

    found = run_at(place, status, changes=False)
    _picture(found, output)
    output.document(found)


def _tell(place: "Place", limit: int, output: Output) -> None:
    from deploy.learning.history import history_of
    from deploy.learning.learning import run_at
    from deploy.learning.learning_view import history_lines

    entries = run_at(place, lambda site: history_of(site.bus, site.only, limit), changes=False)
    _say(history_lines(entries) or ["nothing has happened yet"], output)
    output.document({"entries": entries})


def _picture(status: "LearningStatus", output: Output) -> None:
    from deploy.learning.learning_view import last_lines, status_view

    console = output.console
    output.show(status_view(status, width=console.width, ascii_only=console.options.ascii_only))
    _say(last_lines(status), output)


def _say(lines: Iterable[str], output: Output) -> None:
    for line in lines:
        output.say(line)
