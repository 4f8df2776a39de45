"""The served feature rows: computed once per bar, kept for the last AS_OF_BARS_MAX bars.

One compiled call per bar, or per frame, writes the float32 rows straight into their rings.
"""

import numpy as np
from numpy.typing import NDArray

from engine.bar_book import AS_OF_BARS_MAX, NewBars, grown
from engine.saved import Saved, refilled
from models.context import CONTEXT_SIZE
from models.feature_set import FeatureSet
from streams.events import Bar
from streams.session import Session

INITIAL_SERIES = 16


class FeatureRows:
    """Feature state and recent rows of every series, by the slots and places of a BarBook."""

    def __init__(self, features: FeatureSet, session: Session) -> None:
        self.features = features
        self._session = session
        self._states = features.new_states(INITIAL_SERIES)
        shape = (INITIAL_SERIES * AS_OF_BARS_MAX, len(features.names))
        self._rows: NDArray[np.float32] = np.full(shape, np.nan, dtype=np.float32)
        self._context = np.zeros(CONTEXT_SIZE, dtype=np.float64)

    def update(self, slot: int, place: int, bar: Bar) -> None:
        """Compute the row of `bar`, which its book has just stored at `place`."""
        self._make_room(slot)
        self._context[0] = self._session.utc_offset_seconds(bar.ts)
        self.features.update(
            self._states,
            slot,
            bar.ts,
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
            self._context,
            self._rows[place],
        )

    def update_many(self, new: NewBars) -> None:
        """Compute the rows of bars that their book has just stored, in order."""
        if not len(new.slots):
            return
        self._make_room(int(new.slots.max()))
        contexts = np.zeros((len(new.slots), CONTEXT_SIZE))
        contexts[:, 0] = self._session.utc_offsets(new.ts)
        self.features.update_places(
            self._states, new.slots, new.ts, new.values, contexts, new.places, self._rows
        )

    @property
    def rows(self) -> NDArray[np.float32]:
        """Every row by its place: float32 (places, features)."""
        return self._rows

    def row(self, place: int) -> NDArray[np.float32]:
        """Return the row at a place: float32, one value per feature name."""
        row: NDArray[np.float32] = self._rows[place]
        return row

    def clear(self, slot: int) -> None:
        """Forget the state of a series: it warms up again from its next bar."""
        if slot < len(self._states):
            self._states[slot] = 0.0
            self._rows[slot * AS_OF_BARS_MAX : (slot + 1) * AS_OF_BARS_MAX] = np.nan

    def save(self, series: int) -> Saved:
        """Return the states and rows of the first `series` slots."""
        states, rows = self._states[:series], self._rows[: series * AS_OF_BARS_MAX]
        return Saved({}, {"states": states, "rows": rows})

    def load(self, saved: Saved) -> None:
        """Go on from what `save` returned."""
        self._states = refilled(self._states, saved.arrays["states"])
        self._rows = refilled(self._rows, saved.arrays["rows"])

    def _make_room(self, slot: int) -> None:
        if slot >= len(self._states):
            self._states = grown(self._states, slot + 1)
            self._rows = grown(self._rows, len(self._states) * AS_OF_BARS_MAX)
