"""The market as a scorer knows it: the bars and the features of every series, at any recent bar.

A place names one recent bar of one series, and with it the row of features as of that bar.
"""

import numpy as np
from numpy.typing import NDArray

from engine.bar_book import AS_OF_BARS_MAX, BarBook, NewBars
from engine.context_book import context_book
from engine.context_settings import NO_CONTEXT, ContextSettings
from engine.feature_rows import FeatureRows
from engine.saved import Saved
from models.feature_set import FeatureSet
from streams.columns import BarColumns
from streams.events import Bar, Reset
from streams.session import Session


class Market:
    """A bar book and the feature rows that move with it.

    `context` says what features may know of other symbols.
    """

    def __init__(
        self,
        features: FeatureSet,
        session: Session,
        context: ContextSettings = NO_CONTEXT,
    ) -> None:
        self._bars = BarBook()
        self._rows = FeatureRows(features, session, context_book(context, self._bars.name_of))

    @property
    def newest_ts(self) -> int:
        """The close of the newest bar."""
        return self._bars.newest_ts

    @property
    def complete_ts(self) -> int:
        """The instant up to which every bar has come: the newest that a later one followed."""
        return self._bars.complete_ts

    def accept(self, bar: Bar) -> bool:
        """Take a bar: see `BarBook.accept`. Raises WireError."""
        if not self._bars.accept(bar):
            return False
        slot = self._bars.slot_of(bar.symbol, bar.interval)
        self._rows.update(slot, self._bars.place_of(slot), bar)
        return True

    def take(self, columns: BarColumns) -> NewBars:
        """Take the rows of a frame: see `BarBook.take`."""
        new = self._bars.take(columns)
        self._rows.update_many(new)
        return new

    def reset(self, event: Reset) -> None:
        """Forget the bars and the features of a symbol: it warms up again from its next bar."""
        for slot in self._bars.reset(event):
            self._rows.clear(slot)

    def place_of(self, symbol: str, interval: str, ts: int) -> int:
        """Return the place of the bar that closed at `ts`, or WAITS, TOO_LATE or NO_BAR."""
        slot = self._bars.slot_of(symbol, interval)
        position = self._bars.position_of(slot, ts)
        return position if position < 0 else slot * AS_OF_BARS_MAX + position

    def row(self, place: int) -> NDArray[np.float32]:
        """Return the features as of a place: float32, one value per feature name."""
        return self._rows.row(place)

    def has_bars(self, place: int, wanted: int) -> bool:
        """Whether the series of a place had at least `wanted` bars as of it."""
        return self._bars.bars_at(*divmod(place, AS_OF_BARS_MAX)) >= wanted

    def save(self) -> Saved:
        """Return all that is known, for `load`."""
        return Saved.of({}, bars=self._bars.save(), rows=self._rows.save(len(self._bars)))

    def load(self, saved: Saved) -> None:
        """Go on from what `save` returned."""
        self._bars.load(saved.part("bars"))
        self._rows.load(saved.part("rows"))
