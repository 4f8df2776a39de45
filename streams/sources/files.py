"""Which files hold the bars asked for."""

from pathlib import Path

from streams.errors import ConfigError
from streams.source_settings import SourceSettings


def files_of(settings: SourceSettings, suffixes: tuple[str, ...]) -> list[Path]:
    """Return `path` alone, or the files in `dir`: one per symbol, named after it.

    Raises ConfigError when both or neither are given, or when a file is not there.
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
        return [place]
    found = sorted(file for file in place.glob("*") if file.suffix.lower() in suffixes)
    if settings.symbols:
        found = [file for file in found if file.stem in settings.symbols]
        missing = sorted(set(settings.symbols) - {file.stem for file in found})
        if missing:
            raise ConfigError(
                f"dir must hold one file per symbol, {settings.dir!r} has none for "
                f"{', '.join(missing)}: expected {missing[0]}{suffixes[0]}"
            )
    if not found:
        raise ConfigError(f"dir must hold {' or '.join(suffixes)} files, {settings.dir!r} has none")
    return found
