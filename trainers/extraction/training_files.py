"""Training data as files, `{symbol}_{strategy}_training_data.csv` and `.parquet`.

Each is whole or not there. In CSV times are `2024-02-27 21:00:00Z`, and numbers have as many
digits as bring them back bit for bit.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import polars as pl

from streams.errors import DataError

Format = Literal["csv", "parquet", "both"]

CSV_TIME = "%Y-%m-%d %H:%M:%S%.fZ"
_MODE = 0o644


def write_training_data(
    frame: pl.DataFrame, folder: Path, symbol: str, strategy: str, form: Format, mark: str = ""
) -> list[Path]:
    """Write a frame; return the files. `mark` tells one of several of a pair from the others.

    What is no letter, digit, `-`, `_`, `.` or `~` in a name is percent-encoded. Raises DataError
    where `folder` cannot be written to.
    """
    stem = "_".join(quote(part, safe="") for part in (symbol, strategy, mark) if part)
    written = []
    if form != "parquet":
        path = folder / f"{stem}_training_data.csv"
        _write(path, lambda partial: frame.write_csv(partial, datetime_format=CSV_TIME))
        written.append(path)
    if form != "csv":
        path = folder / f"{stem}_training_data.parquet"
        _write(path, lambda partial: frame.write_parquet(partial))
        written.append(path)
    return written


def _write(path: Path, write: Callable[[Path], None]) -> None:
    partial: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            partial = Path(file.name)
        write(partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.chmod(_MODE)
        partial.replace(path)
    except OSError as error:
        raise DataError(
            f"training data cannot be written to {path}: {error.strerror or error}; name another "
            "--output-dir"
        ) from None
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)
