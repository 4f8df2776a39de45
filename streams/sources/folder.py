"""Bars from a folder with one file per symbol, CSV and Parquet side by side.

`ES.csv`, `ES.parquet`, `ES_1d.csv`, `ES-1h.txt`, `es_daily.parquet`: the name is the symbol, in
any case; behind it may stand the interval. Of several files of a symbol the one that names the
interval asked for is read. See `csv.py` and `parquet.py` for what they may hold.
"""

from streams.errors import ConfigError
from streams.source_settings import SourceSettings
from streams.sources import csv, parquet
from streams.sources.file_params import FileParams
from streams.sources.files import FoundFile, files_of
from streams.sources.raw_bars import RawBars, joined
from streams.sources.table import BarTable
from streams.sources.validated import validated

SUFFIXES = (*csv.SUFFIXES, *parquet.SUFFIXES)
Params = FileParams


def read(settings: SourceSettings, params: FileParams) -> BarTable:
    """Return the bars of the files in `settings.dir` that are asked for.

    Raises ConfigError when there is no such file, DataError for a bar that cannot be used.
    """
    return validated(raw(settings, params), settings)[0]


def raw(settings: SourceSettings, params: FileParams) -> RawBars:
    """Return the same bars as they stand. Raises DataError for a layout that is not known."""
    if not settings.dir:
        raise ConfigError("source folder needs dir, a folder with one file per symbol, was ''")

    def read_file(file: FoundFile) -> RawBars:
        if file.path.suffix.lower() in parquet.SUFFIXES:
            return parquet.read_file(file, settings, params)
        return csv.read_file(file, settings, params)

    return joined([read_file(file) for file in files_of(settings, SUFFIXES)])
