"""The served feature rows: computed once per bar, kept for the last AS_OF_BARS_MAX bars.

One compiled call per bar writes the float32 row straight into its ring.
"""

import numpy as np
from numpy.typing import NDArray

from engine.bar_book import AS_OF_BARS_MAX, Series, grown
from models.context import CONTEXT_SIZE
from models.feature_set import FeatureSet
from streams.events import Bar
from streams.session import Session

INITIAL_SERIES = 16


class FeatureRows:
    """Feature state and recent rows of every series, indexed by `Series.slot`."""

    def __init__(self, features: FeatureSet, session: Session) -> None:
        self.features = features
        self._session = session
        self._states = features.new_states(INITIAL_SERIES)
        width = len(features.names)
        self._rows = np.full((INITIAL_SERIES, AS_OF_BARS_MAX, width), np.nan, dtype=np.float32)
        self._context = np.zeros(CONTEXT_SIZE, dtype=np.float64)

    def update(self, series: Series, bar: Bar) -> None:
        """Compute the row of `bar`, which `series` has just accepted."""
        slot = series.slot
        if slot >= len(self._states):
            self._states = grown(self._states, slot + 1)
            self._rows = grown(self._rows, slot + 1)
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
            self._rows[slot, series.newest],
        )

    def row(self, series: Series, position: int) -> NDArray[np.float32]:
        """Return the row at a ring position: float32, one value per feature name."""
        row: NDArray[np.float32] = self._rows[series.slot, position]
        return row

    def clear(self, series: Series) -> None:
        """Forget the state of a series: it warms up again from its next bar."""
        if series.slot < len(self._states):
            self._states[series.slot] = 0.0
            self._rows[series.slot] = np.nan
