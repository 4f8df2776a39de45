"""Instruments out of a file: the bundled `configs/instruments.yaml`, or one of your own."""

from importlib import resources
from pathlib import Path

import yaml

from engine.instrument_book import InstrumentBook, InstrumentFile
from streams.errors import ConfigError
from streams.strict import decode_strict

FILE_BYTES_MAX = 1_000_000
BUNDLED = "configs/instruments.yaml"


def load_instruments(file: Path | None = None) -> InstrumentBook:
    """Return the instruments of a file, the bundled one by default.

    Raises ConfigError that names the file, the key, the value and what is allowed.
    """
    return InstrumentBook(read_instruments(file), str(file or BUNDLED))


def read_instruments(file: Path | None = None) -> InstrumentFile:
    """Return what an instrument file says. Errors as `load_instruments`."""
    origin = str(file or BUNDLED)
    try:
        if file is None:
            text = resources.files("configs").joinpath("instruments.yaml").read_text("utf-8")
        elif file.stat().st_size > FILE_BYTES_MAX:
            raise ConfigError(f"{file} has more than {FILE_BYTES_MAX} bytes: is it instruments?")
        else:
            text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"instruments {origin} cannot be read: {error}") from None
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        detail = " ".join(str(error).split())
        raise ConfigError(f"{origin} is not YAML: {detail}") from None
    return decode_strict(tree, InstrumentFile, origin)
