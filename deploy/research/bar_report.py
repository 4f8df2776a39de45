"""The report of a check of bars, as tables for people."""

from pathlib import Path

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from deploy.tables import plain_table
from streams.interval import is_daily
from streams.sources.validation_report import (
    EXAMPLES_TOLD_PER_KIND,
    SymbolCheck,
    ValidationReport,
    moment,
)

# Of more symbols than this, those with the least to tell are one line.
SYMBOLS_SHOWN_MAX = 20
NOTES_SHOWN_MAX = 5


def bar_report(report: ValidationReport, title: str) -> RenderableType:
    """Return a line per symbol, the first examples of each kind, notes and a verdict."""
    parts: list[RenderableType] = [_symbols(report, title)]
    if report.examples:
        parts.append(_examples(report))
    lines = list(report.notes[:NOTES_SHOWN_MAX])
    if len(report.notes) > NOTES_SHOWN_MAX:
        lines.append(f"and {len(report.notes) - NOTES_SHOWN_MAX:,} more notes on files (--json)")
    spaced = [part for table in parts for part in (table, Text(""))]
    return Group(*spaced, *map(Text, [*lines, verdict(report)]))


def verdict(report: ValidationReport) -> str:
    """Return what the check comes to, in a line."""
    # Which faults there are stands in the table.
    return f"{'good' if report.is_clean else 'not good'}: {report.summary().partition(' (')[0]}"


def _symbols(report: ValidationReport, title: str) -> Table:
    table = plain_table(title)
    table.add_column("symbol", overflow="fold")
    table.add_column("bars", justify="right")
    table.add_column("first")
    table.add_column("last")
    table.add_column("faults", overflow="fold")
    table.add_column("findings", overflow="fold")
    daily = is_daily(report.interval)
    shown = sorted(report.symbols, key=_urgency)[:SYMBOLS_SHOWN_MAX]
    others = [check for check in report.symbols if check not in shown]
    for check in report.symbols:
        if check in shown:
            _add(table, _cells(check, daily=daily))
    if others:
        rest = msgspec.structs.replace(report, symbols=tuple(others))
        _add(table, _sums(f"{len(others):,} others", rest, sum(c.bars for c in others)))
    if len(report.symbols) > 1:
        table.add_section()
        _add(table, _sums(f"{len(report.symbols):,} in all", report, report.bars))
    return table


def _urgency(check: SymbolCheck) -> tuple[int, int, str]:
    """Faults come first, then many findings."""
    return -sum(check.faults.values()), -sum(check.findings.values()), check.symbol


def _sums(name: str, report: ValidationReport, bars: int) -> tuple[str, ...]:
    return name, f"{bars:,}", "", "", _counts(report.faults), _counts(report.findings)


def _cells(check: SymbolCheck, *, daily: bool) -> tuple[str, ...]:
    return (
        check.symbol or "?",
        f"{check.bars:,}",
        _time(check.first_ts, daily=daily),
        _time(check.last_ts, daily=daily),
        _counts(check.faults),
        _counts(check.findings),
    )


def _examples(report: ValidationReport) -> Table:
    table = plain_table("first examples of each kind")
    table.add_column("")
    table.add_column("bar")
    # The name of the one file there is would stand in every line.
    is_one_file = len({example.file for example in report.examples}) == 1
    table.add_column("row" if is_one_file else "file and row", overflow="fold")
    table.add_column("what", overflow="fold")
    daily = is_daily(report.interval)
    kind = ""
    told = 0
    for example in report.examples:
        is_new = example.kind != kind
        kind, told = example.kind, 1 if is_new else told + 1
        if told <= EXAMPLES_TOLD_PER_KIND:
            where = f"{example.row:,}"
            if not is_one_file:
                where = f"{Path(example.file).name} {where}"
            bar = f"{example.symbol or '?'} {_time(example.ts, daily=daily)}"
            end = "" if example.action == "kept" else f": {example.action}"
            _add(table, (kind if is_new else "", bar, where, f"{example.what}{end}"))
    return table


def _add(table: Table, cells: tuple[str, ...]) -> None:
    # As plain text: brackets in a cell would be read as markup.
    table.add_row(*map(Text, cells))


def _time(ts: int | None, *, daily: bool) -> str:
    text = moment(ts)
    return text.partition(" ")[0] if daily and ts is not None else text


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{kind} ×{count:,}" for kind, count in counts.items()) or "none"
