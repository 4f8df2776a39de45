"""Raw bars to a bar table, as the settings' `validation` says, with a report."""

from typing import Any

import polars as pl

from streams.errors import DataError
from streams.interval import is_daily
from streams.source_settings import SourceSettings
from streams.sources.faults import ACTION, KIND, Judged, explained, judged, missing_column
from streams.sources.findings import findings
from streams.sources.raw_bars import FILE, ROW, RawBars
from streams.sources.table import BarTable, sealed, selected
from streams.sources.validation_report import (
    EXAMPLES_PER_KIND_MAX,
    FAULTS,
    FINDINGS,
    BarExample,
    SymbolCheck,
    ValidationReport,
    moment,
)

REFUSED, KEPT = "refused", "kept"
# Two bars a day are a slip on one day and another interval on most.
SHARED_DAYS_SHARE_MIN = 0.5


def validated(
    raw: RawBars, settings: SourceSettings, *, with_findings: bool = False
) -> tuple[BarTable, ValidationReport]:
    """Return the usable bars asked for, and what was found in all that were asked for.

    Raises DataError for the first faulty bar under strict, or when no bar is left.
    """
    bars = selected(raw.bars, settings)
    result = judged(bars, repair=settings.validation == "repair")
    if settings.validation == "strict" and len(result.faulty):
        raise _refusal(raw, result.faulty, settings, len(bars))
    table = sealed(result.kept, settings)
    return table, _report(raw, bars, result, settings, with_findings=with_findings)


def checked(raw: RawBars, settings: SourceSettings) -> ValidationReport:
    """Return what was found in the bars asked for; faulty ones raise nothing, under strict too."""
    bars = selected(raw.bars, settings)
    result = judged(bars, repair=settings.validation == "repair")
    return _report(raw, bars, result, settings, with_findings=True)


def as_raw(table: BarTable, kind: str) -> RawBars:
    """Return the bars of a source without files: row 1 is the first of the table."""
    bars = table.with_row_index(ROW, offset=1).select(
        pl.lit(0, dtype=pl.UInt32).alias(FILE), ROW, pl.exclude(ROW, "interval")
    )
    unread = pl.DataFrame(
        schema={FILE: pl.UInt32, ROW: pl.UInt32, "column": pl.String, "text": pl.String}
    )
    return RawBars((f"source {kind}",), bars, unread)


def _refusal(
    raw: RawBars, faulty: pl.DataFrame, settings: SourceSettings, bars_read: int
) -> DataError:
    bar = faulty.row(0, named=True)
    text = _text_of(raw, bar)
    closing = "" if bar["ts"] is None else f", closing {moment(bar['ts'])} UTC"
    more = f"; {len(faulty):,} bars are faulty" if len(faulty) > 1 else ""
    more += "".join(f"; {note}" for note in _shared_days(bars_read, faulty, settings))
    return DataError(
        f"{raw.files[bar[FILE]]} row {bar[ROW]}: {explained(bar, text, settings.timezone)} "
        f"({bar['symbol']}{closing}){more}; assay data check tells all, data.validation=repair or "
        "drop reads on"
    )


def _shared_days(bars_read: int, faulty: pl.DataFrame, settings: SourceSettings) -> tuple[str, ...]:
    """Return a note where most daily bars share a day with another: they are no daily bars."""
    repeats = int(faulty[KIND].is_in(["duplicate", "conflict"]).sum())
    if not (is_daily(settings.interval) and repeats > SHARED_DAYS_SHARE_MIN * bars_read):
        return ()
    return (
        f"{repeats:,} of {bars_read:,} bars share their day with another before them: "
        f"is the interval {settings.interval}?",
    )


def _text_of(raw: RawBars, bar: dict[str, Any]) -> str | None:
    """Return what stood in the file where a faulty bar's value could not be read."""
    columns = {"time": "ts", "missing": missing_column(bar) if bar[KIND] == "missing" else ""}
    column = columns.get(str(bar[KIND]))
    if not column:
        return None
    found = raw.unread.filter(
        (pl.col(FILE) == bar[FILE]) & (pl.col(ROW) == bar[ROW]) & (pl.col("column") == column)
    )
    text = found["text"].to_list()
    return str(text[0]) if text and text[0] is not None else None


def _report(
    raw: RawBars,
    bars: pl.DataFrame,
    result: Judged,
    settings: SourceSettings,
    *,
    with_findings: bool,
) -> ValidationReport:
    has_volume = not bars.is_empty() and bool((bars["volume"] != 0.0).any())
    found = findings(result.kept, settings, with_volume=has_volume) if with_findings else None
    repaired = int((result.faulty[ACTION] == "repaired").sum())
    return ValidationReport(
        validation=settings.validation,
        interval=settings.interval,
        bars_read=len(bars),
        bars=len(result.kept),
        repaired=repaired,
        dropped=len(result.faulty) - repaired,
        symbols=_by_symbol(bars, result, found),
        examples=_examples(raw, result.faulty, found, settings),
        notes=(*raw.notes, *_shared_days(len(bars), result.faulty, settings)),
    )


def _by_symbol(
    bars: pl.DataFrame, result: Judged, found: pl.DataFrame | None
) -> tuple[SymbolCheck, ...]:
    read = dict(bars.group_by("symbol").len().iter_rows())
    kept = {
        name: (count, first, last)
        for name, count, first, last in result.kept.group_by("symbol")
        .agg(pl.len(), pl.col("ts").min().alias("first"), pl.col("ts").max().alias("last"))
        .iter_rows()
    }
    faults = _counts(result.faulty)
    told = _counts(found) if found is not None else {}
    checks = []
    for name in sorted(read, key=lambda name: name or ""):
        count, first, last = kept.get(name, (0, None, None))
        checks.append(
            SymbolCheck(
                symbol=name or "",
                bars_read=read[name],
                bars=count,
                first_ts=first,
                last_ts=last,
                faults=faults.get(name, {}),
                findings=told.get(name, {}),
            )
        )
    return tuple(checks)


def _counts(found: pl.DataFrame) -> dict[str | None, dict[str, int]]:
    counts: dict[str | None, dict[str, int]] = {}
    order = {kind: i for i, kind in enumerate((*FAULTS, *FINDINGS))}
    rows = sorted(found.group_by("symbol", KIND).len().rows(), key=lambda row: order[row[1]])
    for name, kind, count in rows:
        counts.setdefault(name, {})[kind] = count
    return counts


def _examples(
    raw: RawBars, faulty: pl.DataFrame, found: pl.DataFrame | None, settings: SourceSettings
) -> tuple[BarExample, ...]:
    def of(bar: dict[str, Any], action: str, what: str) -> BarExample:
        return BarExample(
            kind=bar[KIND],
            action=action,
            file=raw.files[bar[FILE]],
            row=bar[ROW],
            symbol=bar["symbol"] or "",
            ts=bar["ts"],
            what=what,
        )

    examples = []
    for bar in _first_of_each(faulty).iter_rows(named=True):
        action = REFUSED if settings.validation == "strict" else bar[ACTION]
        examples.append(of(bar, action, explained(bar, _text_of(raw, bar), settings.timezone)))
    examples.sort(key=lambda example: FAULTS.index(example.kind))
    if found is not None:
        told = _first_of_each(found).sort(KIND, FILE, ROW).iter_rows(named=True)
        examples += [of(bar, KEPT, bar["what"]) for bar in told]
    return tuple(examples)


def _first_of_each(found: pl.DataFrame) -> pl.DataFrame:
    return found.filter(pl.int_range(pl.len()).over(KIND) < EXAMPLES_PER_KIND_MAX)
