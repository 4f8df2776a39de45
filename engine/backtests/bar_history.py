"""The bars of one interval as columns, symbol after symbol: what research runs over."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from streams.errors import ConfigError
from streams.strict import nearest

BAR_VALUES = 5

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class BarHistory:
    """n bars of s symbols; those of symbol k are the rows `starts[k]` to `starts[k + 1]`.

    `symbols` ascending; `starts` int64 (s + 1,); `ts` int64 (n,), the closes in UTC nanoseconds,
    ascending within a symbol; `values` float64 (n, 5), open to volume, C-contiguous. Raises
    ValueError where the columns do not fit one another.
    """

    symbols: tuple[str, ...]
    interval: str
    starts: Ints
    ts: Ints
    values: Floats

    def __post_init__(self) -> None:
        # Compiled loops take writable, contiguous columns only, and nothing else.
        for name, kind in (("starts", np.int64), ("ts", np.int64), ("values", np.float64)):
            column = np.require(getattr(self, name), kind, ("C", "W"))
            object.__setattr__(self, name, column)
        n, s = len(self.ts), len(self.symbols)
        if self.starts.shape != (s + 1,) or self.values.shape != (n, BAR_VALUES):
            raise ValueError(
                f"starts and values must have the shapes {((s + 1,), (n, BAR_VALUES))}, were "
                f"{(self.starts.shape, self.values.shape)}"
            )
        if self.starts[0] != 0 or self.starts[-1] != n or (np.diff(self.starts) < 0).any():
            raise ValueError(f"starts must ascend from 0 to {n}, was {self.starts}")
        if list(self.symbols) != sorted(set(self.symbols)):
            raise ValueError("symbols must be ascending, each once")
        is_first = np.zeros(n, dtype=np.bool_)
        is_first[self.starts[:-1][self.starts[:-1] < n]] = True
        if n and not (is_first[1:] | (np.diff(self.ts) > 0)).all():
            raise ValueError("ts must ascend within each symbol")

    def __len__(self) -> int:
        return len(self.ts)

    @cached_property
    def slots(self) -> Ints:
        """The number of its symbol for each row, int64 (n,)."""
        return np.repeat(np.arange(len(self.symbols)), np.diff(self.starts))

    @cached_property
    def slot_of(self) -> dict[str, int]:
        """The number of each symbol."""
        return {symbol: slot for slot, symbol in enumerate(self.symbols)}

    @cached_property
    def by_time(self) -> Ints:
        """The rows in the order in which the stream brings them, by (ts, symbol): int64 (n,)."""
        return np.argsort(self.ts, kind="stable")

    @cached_property
    def instants(self) -> Ints:
        """Every close at which some symbol has a bar, ascending, each once."""
        return np.unique(self.ts)

    @cached_property
    def instant_of_row(self) -> Ints:
        """The number of its instant for each row, int64 (n,)."""
        return np.searchsorted(self.instants, self.ts)

    @cached_property
    def rows_by_instant(self) -> tuple[Ints, Ints]:
        """Where each instant's rows begin, int64 (T + 1,), and the rows by (ts, symbol), (n,)."""
        starts = np.searchsorted(self.ts[self.by_time], self.instants)
        return np.append(starts, len(self.ts)), self.by_time

    def rows_of(self, symbol: str) -> slice:
        """Return the rows of a symbol. Raises ConfigError that names the nearest known one."""
        slot = self.slot_of.get(symbol)
        if slot is None:
            raise ConfigError(
                f"symbol {symbol!r} is not in the bars{nearest(symbol, self.symbols)}"
            )
        return slice(int(self.starts[slot]), int(self.starts[slot + 1]))

    def between(self, from_ts: int, to_ts: int) -> "BarHistory":
        """Return the bars that close from `from_ts` to `to_ts`, both included; symbols stay."""
        return self._take((self.ts >= from_ts) & (self.ts <= to_ts))

    def of_symbols(self, symbols: tuple[str, ...]) -> "BarHistory":
        """Return the bars of some symbols. Raises ConfigError for one that is not there."""
        chosen = tuple(sorted(set(symbols)))
        rows = [np.arange(part.start, part.stop) for part in map(self.rows_of, chosen)]
        taken = np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)
        starts = np.concatenate(([0], np.cumsum([len(part) for part in rows]))).astype(np.int64)
        return BarHistory(chosen, self.interval, starts, self.ts[taken], self.values[taken])

    def digest(self) -> str:
        """Return the SHA-256 of everything a backtest could depend on, as hex."""
        digest = hashlib.sha256("\n".join((self.interval, *self.symbols)).encode())
        for column in (self.starts, self.ts, self.values):
            digest.update(column.astype(column.dtype.newbyteorder("<"), copy=False).tobytes())
        return digest.hexdigest()

    def _take(self, kept: NDArray[np.bool_]) -> "BarHistory":
        starts = np.concatenate(([0], np.cumsum(kept)))[self.starts]
        return BarHistory(self.symbols, self.interval, starts, self.ts[kept], self.values[kept])
