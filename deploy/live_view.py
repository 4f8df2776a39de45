"""The live view of a run: rich in a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from deploy.report import short_version
from deploy.tally import Tally

REFRESHES_PER_S = 4
PLAIN_EVERY_S = 5.0
EVENTS_SHOWN = 8
BAR_WIDTH = 28


class LiveView:
    """Shows a Tally while it fills; a context manager. `total` instants are to be replayed.

    In a terminal it redraws itself; elsewhere `update` writes a line every PLAIN_EVERY_S, and
    every event once.
    """

    def __init__(
        self,
        tally: Tally,
        total: int,
        console: Console,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tally = tally
        self._console = console
        self._now_s = now_s
        self._total = total
        self._done = 0
        self._started_s = now_s()
        self._plain_at_s = 0.0
        self._told_shown = 0
        self._progress = Progress(
            TextColumn("replay"),
            # Not the full width: a ^C behind it would break the line and spoil the picture.
            BarColumn(bar_width=BAR_WIDTH),
            MofNCompleteColumn(),
            TextColumn("instants, ETA"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task("replay", total=total)
        self._live = Live(
            get_renderable=self.render,
            console=console,
            refresh_per_second=REFRESHES_PER_S,
            transient=True,
        )

    def __enter__(self) -> "LiveView":
        self._started_s = self._now_s()
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._console.is_terminal:
            self._live.stop()
        else:
            self._write_line()

    def update(self, done: int) -> None:
        """Say how many instants are out."""
        self._done = done
        self._progress.update(self._task, completed=done)
        if not self._console.is_terminal and self._now_s() - self._plain_at_s >= PLAIN_EVERY_S:
            self._write_line()

    def render(self) -> RenderableType:
        """Return the view of this moment."""
        tally = self._tally
        head = Text(
            f"{_day(tally.event_ts)}   {tally.bars:,} bars, {tally.bars_per_second():,.0f} bars/s",
            "bold",
        )
        events = [
            Text(f"{_day(told.ts)} {told.strategy}: {told.text}")
            for told in list(tally.told)[-EVENTS_SHOWN:]
        ]
        return Group(head, self._table(), *events, self._progress)

    def _table(self) -> Table:
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
        table.add_column("strategy", overflow="fold")
        for name in ("signals", "accepted", "outcomes"):
            table.add_column(name, justify="right")
        for name in ("model in force", "drift"):
            table.add_column(name, overflow="fold")
        for name, tally in self._tally.strategies.items():
            model = short_version(name, tally.in_force) or "none"
            table.add_row(
                name,
                str(tally.signals),
                str(tally.accepted),
                str(len(tally.outcomes)),
                f"{model} ({tally.policy})" if tally.policy else model,
                _drift(tally.drift_level, tally.drift_statistic, tally.drift_threshold),
            )
        return table

    def _write_line(self) -> None:
        self._plain_at_s = self._now_s()
        tally = self._tally
        new = min(tally.told_count - self._told_shown, len(tally.told))
        for event in list(tally.told)[len(tally.told) - new :]:
            line = f"{_day(event.ts)} {event.strategy}: {event.text}"
            self._console.print(line, markup=False)
        self._told_shown = tally.told_count
        counts = ", ".join(
            f"{name} {s.signals} signals {s.accepted} accepted {len(s.outcomes)} outcomes"
            for name, s in tally.strategies.items()
        )
        line = (
            f"{_day(tally.event_ts)} {self._done}/{self._total} instants, "
            f"{tally.bars_per_second():,.0f} bars/s; {counts}; ETA {self._eta_s():.0f} s"
        )
        self._console.print(line, markup=False)

    def _eta_s(self) -> float:
        if not self._done:
            return 0.0
        return (self._now_s() - self._started_s) / self._done * (self._total - self._done)


def _drift(level: str, statistic: float, threshold: float) -> str:
    """Say the level, and how much of the alarm's threshold has been reached."""
    if not level:
        return "quiet"
    return f"{level} {statistic / threshold:.0%}" if threshold > 0 else level


def _day(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts / 1e9, UTC):%Y-%m-%d}" if ts > 0 else "-" * 10
