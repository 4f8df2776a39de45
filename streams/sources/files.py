"""Which files hold the bars asked for."""

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import polars as pl

from streams.errors import ConfigError
from streams.interval import interval_ns
from streams.source_settings import SourceSettings
from streams.sources.file_names import symbol_and_length
from streams.strict import nearest


class FoundFile(NamedTuple):
    """A file, and the symbol of its bars where it does not say itself."""

    path: Path
    symbol: str

    def symbols(self, rows: int) -> pl.Series:
        """Return the symbol once per row."""
        return pl.Series("symbol", [self.symbol], dtype=pl.String).new_from_index(0, rows)


def files_of(settings: SourceSettings, suffixes: tuple[str, ...]) -> list[FoundFile]:
    """Return `path` alone, or the files in `dir`: one per symbol, named after it.

    Of `dir`, only files of the symbols asked for, each under the name asked for. A file whose
    name says another interval is not looked at. Raises ConfigError when both or neither are
    given, when a file is not there, or when two files are of one symbol.
    """
    if bool(settings.path) == bool(settings.dir):
        raise ConfigError(
            f"source {settings.kind} needs one of path (a file) and dir (a folder), "
            f"was path={settings.path!r} and dir={settings.dir!r}"
        )
    place = Path(settings.path or settings.dir).expanduser()
    if settings.path:
        if not place.is_file():
            raise ConfigError(f"path must be a file, was {settings.path!r}: there is none")
        is_asked = len(settings.symbols) == 1
        symbol = settings.symbols[0] if is_asked else symbol_and_length(place.stem)[0]
        return [FoundFile(place, symbol)]
    if not place.is_dir():
        raise ConfigError(f"dir must be a folder, was {settings.dir!r}: there is none")
    files = [file for file in place.iterdir() if _is_wanted(file, suffixes)]
    by_symbol = _by_symbol(sorted(files), settings.interval)
    if not by_symbol:
        raise ConfigError(
            f"dir must hold {' or '.join(suffixes)} files of {settings.interval} bars, "
            f"{settings.dir!r} has none"
        )
    # A symbol asked for twice is read once.
    asked = dict.fromkeys(settings.symbols) or sorted(by_symbol)
    found = [FoundFile(_file_for(name, by_symbol, settings, suffixes), name) for name in asked]
    names = {file.path: file.symbol for file in reversed(found)}
    for file in found:
        if names[file.path] != file.symbol:
            raise ConfigError(
                f"symbols must be different, {names[file.path]} and {file.symbol} "
                f"are both {file.path.name}: leave one out"
            )
    return found


def _is_wanted(file: Path, suffixes: tuple[str, ...]) -> bool:
    # Editors and copying programs leave hidden files beside the real ones.
    return file.suffix.lower() in suffixes and not file.name.startswith(".") and file.is_file()


def _by_symbol(files: list[Path], interval: str) -> dict[str, list[Path]]:
    """Return the files of each symbol; one that names the interval leaves the others out."""
    wanted = interval_ns(interval)
    plain: dict[str, list[Path]] = defaultdict(list)
    named: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        symbol, length = symbol_and_length(file.stem)
        if length is None:
            plain[symbol].append(file)
        elif length == wanted:
            named[symbol].append(file)
    return {**plain, **named}


def _file_for(
    name: str, by_symbol: dict[str, list[Path]], settings: SourceSettings, suffixes: tuple[str, ...]
) -> Path:
    """Return the one file of a symbol. Names are looked up, no path is made of them."""
    found = by_symbol.get(name)
    if found is None:
        # A file may also be asked for by its whole name, or in another case.
        alike = [s for s in by_symbol if s.casefold() == name.casefold()]
        found = [file for s in alike for file in by_symbol[s]] or [
            file for files in by_symbol.values() for file in files if file.stem == name
        ]
    if not found:
        raise ConfigError(
            f"dir must hold one file per symbol, {settings.dir!r} has none for {name}: "
            f"expected {name}{suffixes[0]}{nearest(name, by_symbol)}"
        )
    if len(found) > 1:
        listed = ", ".join(file.name for file in found)
        raise ConfigError(
            f"dir must hold one file per symbol, {settings.dir!r} has {len(found)} for {name}: "
            f"{listed}; keep one, or give its path"
        )
    return found[0]
