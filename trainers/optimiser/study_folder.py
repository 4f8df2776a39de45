"""The bars of a study in a folder: written once, mapped into the memory of every worker."""

from pathlib import Path

import msgspec
import numpy as np

from engine.backtests.bar_history import BarHistory

_COLUMNS = ("starts", "ts", "values")
_HEAD = "history.json"


class _Head(msgspec.Struct, frozen=True):
    symbols: tuple[str, ...]
    interval: str


def write_history(history: BarHistory, folder: Path) -> None:
    """Write a history into a folder that is there."""
    for name in _COLUMNS:
        np.save(folder / f"{name}.npy", getattr(history, name), allow_pickle=False)
    head = _Head(history.symbols, history.interval)
    (folder / _HEAD).write_bytes(msgspec.json.encode(head))


def map_history(folder: Path) -> BarHistory:
    """Return a history that was written; its columns stay in the files until they are read."""
    head = msgspec.json.decode((folder / _HEAD).read_bytes(), type=_Head)
    # Copied on write: compiled loops take writable columns, and write into none of these.
    starts, ts, values = (
        np.asarray(np.load(folder / f"{name}.npy", mmap_mode="c", allow_pickle=False))
        for name in _COLUMNS
    )
    return BarHistory(head.symbols, head.interval, starts, ts, values)
