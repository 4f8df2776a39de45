"""`pipeline_results.json`: the account of every model of one run of the pipeline."""

import math
from pathlib import Path
from typing import Any

import msgspec

from streams.errors import ConfigError, DataError
from streams.strict import decode_strict
from streams.whole_file import write_whole
from trainers.pipeline.model_report import ModelFailure, ModelReport

VERSION = 1
FILE_BYTES_MAX = 1_000_000_000


class PipelineResults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file holds: models in the order in which they were asked for, made or not.

    `created_from`: the file or the arguments that said which models.
    """

    version: int
    created_from: str
    models: tuple[ModelReport | ModelFailure, ...] = ()


def encode_results(results: PipelineResults) -> bytes:
    """Return the file's bytes, the same for the same results.

    Raises DataError that names a figure which is no number: JSON would hold it as if missing.
    """
    check_finite(results)
    return msgspec.json.format(msgspec.json.encode(results, order="sorted"), indent=1) + b"\n"


def check_finite(told: PipelineResults | ModelReport) -> None:
    """Raise DataError that names a figure which is no finite number."""
    place = _not_finite(msgspec.to_builtins(told), "")
    if place is not None:
        raise DataError(f"{place} is not a finite number: what is not defined must be None")


def write_results(results: PipelineResults, path: Path) -> None:
    """Write the file, whole or not at all. Raises DataError where it cannot be written."""
    content = encode_results(results)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise DataError(
            f"results cannot be written to {path}: {error.strerror}; name another --output-dir"
        ) from None


def read_results(path: Path) -> PipelineResults:
    """Return what a results file holds.

    Raises ConfigError for one that is missing, no JSON, of another version, or has other keys.
    """
    remedy = "assay pipeline writes one"
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ConfigError(f"{path} has more than {FILE_BYTES_MAX} bytes: is it results?")
        tree = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"results {path} cannot be read: {error.strerror}; {remedy}") from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"results {path} is not JSON: {error}; {remedy}") from None
    version = tree.get("version") if isinstance(tree, dict) else None
    if isinstance(version, int) and version != VERSION:
        raise ConfigError(
            f"results {path} has version {version}, this program reads {VERSION}: train anew"
        )
    return decode_strict(tree, PipelineResults, str(path))


def _not_finite(tree: Any, place: str) -> str | None:
    """The place of the first figure in `tree` that is no finite number."""
    if isinstance(tree, float):
        return None if math.isfinite(tree) else place
    if isinstance(tree, dict):
        inner = ((f"{place}.{key}" if place else str(key), value) for key, value in tree.items())
    elif isinstance(tree, list | tuple):
        inner = ((f"{place}[{at}]", value) for at, value in enumerate(tree))
    else:
        return None
    return next((found for at, value in inner if (found := _not_finite(value, at))), None)
