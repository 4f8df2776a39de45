"""The served feature rows: computed once per bar, kept for the last AS_OF_BARS_MAX bars.

One compiled call per bar, or per frame, writes the float32 rows straight into their rings.
"""

import numpy as np
from numpy.typing import NDArray

from engine.bar_book import AS_OF_BARS_MAX, NewBars, grown
from engine.context_book import ContextBook
from engine.saved import Saved, refilled
from models.context import CONTEXT_SIZE, UTC_OFFSET_SECONDS
from models.feature_set import FeatureSet
from streams.events import Bar
from streams.session import Session

INITIAL_SERIES = 16
_CONTEXTS_FIRST = 256


class FeatureRows:
    """Feature state and recent rows of every series, by the slots and places of a BarBook.

    `others` is what features may know of other symbols; None: nothing.
    """

    def __init__(
        self, features: FeatureSet, session: Session, others: ContextBook | None = None
    ) -> None:
        self.features = features
        self._session = session
        self._others = others
        self._states = features.new_states(INITIAL_SERIES)
        shape = (INITIAL_SERIES * AS_OF_BARS_MAX, len(features.names))
        self._rows: NDArray[np.float32] = np.full(shape, np.nan, dtype=np.float32)
        self._context = np.full(CONTEXT_SIZE, np.nan)
        # Without others only the clock is ever written: the rest stays unknown.
        self._contexts = np.full((_CONTEXTS_FIRST, CONTEXT_SIZE), np.nan)

    def update(self, slot: int, place: int, bar: Bar) -> None:
        """Compute the row of `bar`, which its book has just stored at `place`."""
        self._make_room(slot)
        self._context[UTC_OFFSET_SECONDS] = self._session.utc_offset_seconds(bar.ts)
        if self._others is not None:
            self._others.take(slot, bar.ts, bar.close, self._context)
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
        count = len(new.slots)
        if not count:
            return
        self._make_room(int(new.slots.max()))
        if count > len(self._contexts):
            self._contexts = np.full((2 * count, CONTEXT_SIZE), np.nan)
        contexts = self._contexts[:count]
        contexts[:, UTC_OFFSET_SECONDS] = self._session.utc_offsets(new.ts)
        if self._others is not None:
            self._others.take_many(new, contexts)
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
        if self._others is not None:
            self._others.clear(slot)
        if slot < len(self._states):
            self._states[slot] = 0.0
            self._rows[slot * AS_OF_BARS_MAX : (slot + 1) * AS_OF_BARS_MAX] = np.nan

    def save(self, series: int) -> Saved:
        """Return the states and rows of the first `series` slots, and what is known of others."""
        states, rows = self._states[:series], self._rows[: series * AS_OF_BARS_MAX]
        parts = {"own": Saved({}, {"states": states, "rows": rows})}
        if self._others is not None:
            parts["others"] = self._others.save()
        return Saved.of({}, **parts)

    def load(self, saved: Saved) -> None:
        """Go on from what `save` returned."""
        own = saved.part("own").arrays
        self._states = refilled(self._states, own["states"])
        self._rows = refilled(self._rows, own["rows"])
        if self._others is not None:
            self._others.load(saved.part("others"))

    def _make_room(self, slot: int) -> None:
        if slot >= len(self._states):
            self._states = grown(self._states, slot + 1)
            self._rows = grown(self._rows, len(self._states) * AS_OF_BARS_MAX)
