"""Verifies what a running broker holds: the roles of the run once more, beside the record."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from deploy.config import RunSettings
from deploy.connection import connect
from deploy.role_runtime import RoleContext, cancel_on_signals
from deploy.state import StateDir
from engine.replays.rerun import Rerun
from engine.replays.verdict import Difference, Span
from engine.replays.verifier import Verified, verify
from streams.bus import Bus
from streams.errors import ConfigError

FIELDS_SHOWN = 4
_TO_NS = 1_000_000_000
_MICRO_TO_NS = 1_000


async def verify_run(
    url: str,
    settings: RunSettings,
    state: StateDir,
    roles: tuple[str, ...],
    span: Span,
    console: Console,
) -> Verified:
    """Verify what `roles`, as `settings` describe them, published at `url`."""
    cancel_on_signals()
    bus = await connect(url, "assay-verify")
    try:
        rerun = _rerun(bus, settings, state, roles)
        with _progress(console) as on_progress:
            return await verify(bus, rerun, span, on_progress)
    finally:
        await bus.close()


def span_of(start: str | None, end: str | None) -> Span:
    """Return the span that `--from` and `--to` name: sequences of INPUT or times in UTC.

    >>> span_of("17", None).first_seq
    17
    >>> span_of(None, "2008-12-31").last_ts == span_of(None, "2009-01-01T00:00").last_ts - 1
    True
    """
    bounds: dict[str, int] = {}
    for option, name, text in (("--from", "first", start), ("--to", "last", end)):
        if text is None:
            continue
        if text.isdecimal():
            bounds[f"{name}_seq"] = int(text)
        else:
            bounds[f"{name}_ts"] = _instant_ns(option, text)
    return Span(**bounds)


def told(difference: Difference) -> Iterator[str]:
    """Yield the lines that tell a person of one difference."""
    place = f"{difference.stream} sequence {difference.sequence}"
    where = difference.stream if difference.kind == "missing" else place
    answered = f", to INPUT sequence {difference.cause_seq}" if difference.cause_seq else ""
    yield f"{difference.kind}: {where}, {difference.subject}, id {difference.id}{answered}"
    for field in difference.fields[:FIELDS_SHOWN]:
        yield f"  {field.field}: recorded {field.recorded}, expected {field.expected}"
    if len(difference.fields) > FIELDS_SHOWN:
        yield f"  and {len(difference.fields) - FIELDS_SHOWN} more fields"


def _rerun(bus: Bus, settings: RunSettings, state: StateDir, roles: tuple[str, ...]) -> Rerun:
    """The roles of a run, built as their own processes build them, the scorer for all symbols."""
    from deploy.wiring import labeller, scorer, strategies

    context = RoleContext(settings, state, bus, shard=0, shards=1, on_ready=lambda: None)
    return Rerun(
        strategies.build(context) if "strategies" in roles else None,
        scorer.build(context) if "scorer" in roles else None,
        labeller.build(context) if "labeller" in roles else None,
    )


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[int, int], None]]:
    """Yield what is told how many of how many messages are done; only a terminal shows it."""
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("messages, ETA"))
    with Progress(
        TextColumn("verify"),
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("verify", total=None)

        def on_progress(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield on_progress


def _instant_ns(option: str, text: str) -> int:
    """Return a time in nanoseconds; a day given to `--to` counts to its end."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"{option} must be a sequence of INPUT or an ISO 8601 time, was {text!r}"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    is_whole_day = len(text) <= len("2008-12-31") and moment.time() == time()
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    ns = (since.days * 86_400 + since.seconds) * _TO_NS + since.microseconds * _MICRO_TO_NS
    return ns + 86_400 * _TO_NS - 1 if is_whole_day and option == "--to" else ns
