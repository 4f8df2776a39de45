"""A synthetic market whose signals have a known worth; see `streams/synthetic_market.py`.

`instants` gives its bars and the raw signals of strategy `synthetic`, `read` the bars alone. Its
params are MarketSettings; bars close at whole multiples of the interval from 2000-01-01 UTC.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from streams.errors import ConfigError
from streams.events import Bar, Signal
from streams.interval import interval_ns
from streams.source_settings import SourceSettings
from streams.sources.table import VALUES, BarTable, finished
from streams.synthetic_market import START_NS, MarketSettings, market_instants, simulate

Params = MarketSettings


def read(settings: SourceSettings, params: MarketSettings) -> BarTable:
    """Return the bars of the market; raises ConfigError for settings that it cannot honour."""
    _refuse_files(settings)
    market = simulate(params)
    instants, symbols, _ = market.bars.shape
    closes = START_NS + (np.arange(instants) + 1) * interval_ns(settings.interval)
    rows = market.bars.reshape(instants * symbols, len(VALUES))
    bars = pl.DataFrame(
        {
            "symbol": pl.Series(market.names * instants, dtype=pl.String),
            "ts": np.repeat(closes, symbols),
            **{name: rows[:, i] for i, name in enumerate(VALUES)},
        }
    )
    return finished(bars, settings)


def instants(settings: SourceSettings, params: MarketSettings) -> Iterator[list[Bar | Signal]]:
    """Yield the bars of one instant, then the signals made on them; no selection is made."""
    _refuse_files(settings)
    yield from market_instants(simulate(params), settings.interval, interval_ns(settings.interval))


def _refuse_files(settings: SourceSettings) -> None:
    if settings.path or settings.dir:
        raise ConfigError(
            f"source layer_b makes its bars, it needs no path and no dir, "
            f"was {settings.path or settings.dir!r}"
        )
