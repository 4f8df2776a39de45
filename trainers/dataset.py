"""Samples in columns, in time order: what a model is trained and judged on."""

import hashlib
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

DAY_NS = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class Dataset:
    """n samples, ordered by (ts, signal_id).

    `x` float32[n, k], the served vectors in the order of `names`; NaN before warm-up. `y`
    int8[n] in {0, 1}. `r_multiple` float64[n], net of costs. `ts` (of the signal's bar),
    `entry_ts` and `exit_ts` int64[n], UTC nanoseconds: a label is known from `exit_ts` on.
    """

    names: tuple[str, ...]
    signal_ids: NDArray[np.str_]
    symbols: NDArray[np.str_]
    ts: NDArray[np.int64]
    entry_ts: NDArray[np.int64]
    exit_ts: NDArray[np.int64]
    x: NDArray[np.float32]
    y: NDArray[np.int8]
    r_multiple: NDArray[np.float64]

    def __len__(self) -> int:
        return int(self.ts.size)

    @property
    def days(self) -> NDArray[np.int64]:
        """The UTC day of each signal, int64[n]."""
        return self.ts // DAY_NS

    @property
    def stretches(self) -> NDArray[np.int64]:
        """The cluster that each signal's errors share, int64[n].

        Days, as many together as half of all trades are held: trades of neighbouring days are open
        in the same market, and by day alone what persists there would look like skill.
        """
        held_days = np.median(self.exit_ts - self.ts) / DAY_NS if len(self) else 1.0
        return self.days // max(1, int(np.ceil(held_days)))

    def take(self, rows: NDArray[Any]) -> "Dataset":
        """Return the samples at `rows`, a mask bool[n] or ordered indices."""
        columns = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "names"}
        return Dataset(names=self.names, **columns)

    def digest(self) -> str:
        """Return the SHA-256 of everything a model could learn from, as hex."""
        words = (*self.names, "", *self.signal_ids, "", *self.symbols)
        digest = hashlib.sha256("\n".join(words).encode())
        for column in (self.ts, self.entry_ts, self.exit_ts, self.x, self.y, self.r_multiple):
            digest.update(column.astype(column.dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()
