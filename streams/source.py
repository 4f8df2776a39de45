"""Bar sources by name: each file under `streams/sources/` is one, its file name its config name.

A source module holds `Params`, a Struct of settings of its own, and
`read(settings, params) -> BarTable`; one whose market comes with signals also holds
`instants(settings, params)`. It is imported only when asked for: sources use polars, the online
roles must not.
"""

import datetime
import importlib
import pkgutil
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec

import streams.sources
from streams.errors import ConfigError
from streams.events import Bar, Signal
from streams.strict import decode_strict, nearest

HELPERS = frozenset({"files", "instants", "stamps", "table"})


class SourceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where bars come from.

    `path` is one file, `dir` a folder with one file per symbol, named after it. `symbols` keeps
    only those (empty: all). `session` says when a daily bar is known. `timezone` is that of
    intraday stamps without one, `stamp` whether they mark a bar's start or its close. Bars that
    close after `start` 00:00 UTC and not after the end of day `end` are kept. `params` are the
    source's own.
    """

    kind: str = "sample"
    path: str = ""
    dir: str = ""
    symbols: tuple[str, ...] = ()
    interval: Annotated[str, msgspec.Meta(pattern="^([1-9][0-9]{0,3}[mh]|1d)$")] = "1d"
    session: str = "us_equity"
    timezone: str = "UTC"
    stamp: Literal["start", "close"] = "start"
    start: datetime.date | None = None
    end: datetime.date | None = None
    params: dict[str, Any] = {}


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
    source = load_source(settings.kind)
    return source.read(settings, _params(source, settings))


def bar_frames(settings: SourceSettings) -> Iterator[list[Bar]]:
    """Yield the bars of `settings`, one instant of one interval at a time, in time order."""
    instants = importlib.import_module("streams.sources.instants")
    yield from instants.frames(read_bars(settings))


def market_instants(settings: SourceSettings) -> Iterator[list[Bar | Signal]]:
    """Yield instants in time order: their bars, then the raw signals a source may come with."""
    source = load_source(settings.kind)
    if hasattr(source, "instants"):
        yield from source.instants(settings, _params(source, settings))
    else:
        for frame in bar_frames(settings):
            yield [*frame]


def _params(source: Any, settings: SourceSettings) -> Any:
    return decode_strict(settings.params, source.Params, f"source {settings.kind}: params")
