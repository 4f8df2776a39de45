"""Bar sources by name: each file under `streams/sources/` is one, its file name its config name.

A source module holds `Params`, a Struct of settings of its own, and
`read(settings, params) -> BarTable`; one that reads files also holds `raw(settings, params)`, the
bars before they are judged (`streams/sources/raw_bars.py`); one whose market comes with signals
`instants(settings, params)`. It is imported only when asked for: sources use polars, the online
roles must not.

Where bars were repaired or dropped on the way, one line says so in the log `streams.source`; one
more where a file was not read as it stands (backwards, or without volumes).
"""

import importlib
import logging
import pkgutil
from collections.abc import Iterator, Sequence
from typing import Any

import streams.sources
from streams.block import Block
from streams.errors import ConfigError
from streams.events import Bar, Signal
from streams.source_settings import SourceSettings
from streams.strict import decode_strict, nearest

HELPERS = frozenset(
    {
        "blocks", "cells", "column_names", "csv_layout", "date_order", "faults", "file_names",
        "file_params", "files", "findings", "gaps", "instants", "raw_bars", "stamps", "table",
        "trading_days", "validated", "validation_report",
    }
)  # fmt: skip

logger = logging.getLogger(__name__)


def source_names() -> tuple[str, ...]:
    """Return the names of all sources, sorted."""
    found = pkgutil.iter_modules(streams.sources.__path__)
    return tuple(sorted(m.name for m in found if m.name not in HELPERS))


def load_source(kind: str) -> Any:
    """Return the module of source `kind`; an unknown one raises ConfigError."""
    if kind not in source_names():
        raise ConfigError(f"bar source {kind!r} is not known{nearest(kind, source_names())}")
    return importlib.import_module(f"streams.sources.{kind}")


def read_bars(settings: SourceSettings) -> Any:
    """Return the BarTable (see `streams/sources/table.py`) that `settings` describe.

    Raises ConfigError for settings that make no sense, DataError for bars that cannot be used.
    """
    return _read(settings, with_findings=False)[0]


def read_bars_reported(settings: SourceSettings) -> tuple[Any, Any]:
    """Return the BarTable that `settings` describe and its ValidationReport (see
    `streams/sources/validation_report.py`), findings and all. Errors as `read_bars`.
    """
    return _read(settings, with_findings=True)


def check_bars(settings: SourceSettings) -> Any:
    """Return the ValidationReport of the bars that `settings` describe; a faulty bar raises
    nothing, not even under strict. Raises ConfigError, and DataError for an unknown layout.
    """
    source = load_source(settings.kind)
    params = _params(source, settings)
    validated = importlib.import_module("streams.sources.validated")
    if hasattr(source, "raw"):
        return validated.checked(source.raw(settings, params), settings)
    return validated.checked(
        validated.as_raw(source.read(settings, params), settings.kind), settings
    )


def bar_frames(settings: SourceSettings) -> Iterator[list[Bar]]:
    """Yield the bars of `settings`, one instant of one interval at a time, in time order."""
    instants = importlib.import_module("streams.sources.instants")
    yield from instants.frames(read_bars(settings))


def market_instants(settings: SourceSettings) -> Iterator[list[Bar | Signal]]:
    """Yield instants in time order: their bars, then the raw signals a source may come with."""
    source = load_source(settings.kind)
    if comes_with_signals(settings):
        yield from source.instants(settings, _params(source, settings))
    else:
        for frame in bar_frames(settings):
            yield [*frame]


def comes_with_signals(settings: SourceSettings) -> bool:
    """Whether a source's market has raw signals beside its bars: it is told by instants only."""
    return hasattr(load_source(settings.kind), "instants")


def market_blocks(sources: Sequence[SourceSettings], span_ns: int | None = None) -> Iterator[Block]:
    """Yield the bars of all `sources` as one history in blocks: see `streams/sources/blocks.py`.

    None of them may come with signals.
    """
    blocks = importlib.import_module("streams.sources.blocks")
    instants = importlib.import_module("streams.sources.instants")
    tables = [read_bars(settings) for settings in sources]
    yield from blocks.blocks(instants.merged(tables) if len(tables) > 1 else tables[0], span_ns)


def _params(source: Any, settings: SourceSettings) -> Any:
    return decode_strict(settings.params, source.Params, f"source {settings.kind}: params")


def _read(settings: SourceSettings, *, with_findings: bool) -> tuple[Any, Any]:
    source = load_source(settings.kind)
    params = _params(source, settings)
    if not hasattr(source, "raw") and not with_findings:
        return source.read(settings, params), None
    validated = importlib.import_module("streams.sources.validated")
    if hasattr(source, "raw"):
        raw = source.raw(settings, params)
    else:
        raw = validated.as_raw(source.read(settings, params), settings.kind)
    table, report = validated.validated(raw, settings, with_findings=with_findings)
    place = settings.path or settings.dir or settings.kind
    if not report.is_clean:
        logger.warning("bars of %s: %s", place, report.summary())
    if report.notes:
        more = f"; {len(report.notes) - 1:,} more notes: assay data check tells them"
        logger.warning("%s%s", report.notes[0], more if len(report.notes) > 1 else "")
    return table, report
