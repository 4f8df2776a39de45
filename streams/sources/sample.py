"""The bundled sample: AAPL, FB, GOOG, IBM, MSFT, daily, adjusted, 2000-03 to 2013-03.

Public domain; see `streams/data/ATTRIBUTION.md`.
"""

from pathlib import Path

import msgspec

import streams
from streams.errors import ConfigError
from streams.source_settings import SourceSettings
from streams.sources import parquet
from streams.sources.raw_bars import RawBars
from streams.sources.table import BarTable
from streams.sources.validated import validated

FILE = Path(streams.__path__[0]) / "data" / "us_stocks_daily.parquet"


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No settings of its own."""


def read(settings: SourceSettings, params: Params) -> BarTable:
    """Return the bundled bars; an interval other than 1d, a path or a dir raises ConfigError."""
    return validated(raw(settings, params), settings)[0]


def raw(settings: SourceSettings, params: Params) -> RawBars:
    """Return the same bars as they stand in the file."""
    if settings.interval != "1d":
        raise ConfigError(f"source sample has 1d bars only, interval was {settings.interval!r}")
    if settings.path or settings.dir:
        raise ConfigError(
            f"source sample needs no path and no dir, was {settings.path or settings.dir!r}: "
            "use kind csv, parquet or folder for files of your own"
        )
    own = msgspec.structs.replace(settings, path=str(FILE), session="us_equity")
    return parquet.raw(own, parquet.Params())
