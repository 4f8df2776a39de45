"""A run's market with its description: what a sample says that it was made of."""

import hashlib
import importlib
from collections.abc import Iterable
from typing import Any

import msgspec

from deploy.scenario import Instant
from streams import codec
from streams.events import Bar
from streams.source import comes_with_signals, market_instants, read_bars
from streams.source_settings import SourceSettings
from trainers.database.provenance import DataSet


def read_market(settings: SourceSettings) -> tuple[Iterable[Instant], DataSet]:
    """Return the instants of a market, in time order, and what it was.

    Errors as `streams.source.market_instants`.
    """
    if comes_with_signals(settings):
        instants = list(market_instants(settings))
        return instants, data_set_of(instants, settings)
    table = read_bars(settings)
    frames = importlib.import_module("streams.sources.instants").frames
    return frames(table), data_set_of_table(table, settings)


def data_set_of(instants: Iterable[Instant], settings: SourceSettings) -> DataSet:
    """Return what instants, read by `settings`, were: their digest is that of their events."""
    digest, bars, symbols, stamps = hashlib.sha256(), 0, set(), [0]
    for instant in instants:
        for event in instant:
            digest.update(codec.encode(event))
            if isinstance(event, Bar):
                bars += 1
                symbols.add(event.symbol)
                stamps = [stamps[0] or event.ts, event.ts]
    return _described(digest.hexdigest(), settings, symbols, stamps, bars)


def data_set_of_table(table: Any, settings: SourceSettings) -> DataSet:
    """Return what a bar table, read by `settings`, was: its digest is that of its columns."""
    digest = hashlib.sha256()
    for name in table.columns:
        column = table[name]
        is_text = name in ("symbol", "interval")
        content = "\n".join(column).encode() if is_text else column.to_numpy().tobytes()
        digest.update(f"{name} {len(content)} ".encode() + content)
    stamps = [int(table["ts"][0]), int(table["ts"][-1])] if len(table) else [0]
    return _described(digest.hexdigest(), settings, set(table["symbol"]), stamps, len(table))


def _described(
    digest: str, settings: SourceSettings, symbols: set[str], stamps: list[int], bars: int
) -> DataSet:
    return DataSet(
        data_digest=digest,
        source=msgspec.to_builtins(settings),
        symbols=tuple(sorted(symbols)),
        from_ts=stamps[0],
        to_ts=stamps[-1],
        bars=bars,
    )
