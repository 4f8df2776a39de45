"""The context book: of every bar, what other symbols of its interval did strictly before it.

The rule. As of a bar that closes at t, a reference (the market, the sector) is what its own bars
before t say, and breadth is what the symbols say that had a bar at the last instant before t at
which enough of them had one: among the bars that INPUT had brought before this one. A bar at t
itself is known to nobody at t, not even to its own symbol. A bar that comes late counts from then
on, for bars later than it, and changes nothing that was told. So what is told is a function of the
order of INPUT, however its frames are cut and whoever else reads it; where bars come in order of
time it is a function of the bars alone.

Nothing is told (NaN) of a reference before it has the bars, of one whose last bar is older than
STALE_NS, of breadth with fewer than BREADTH_SYMBOLS_MIN symbols, nor of what lies further back than
RING_BARS. A reset forgets a symbol's bars; where it is a reference, also what others noted of it.
"""

from collections.abc import Callable

import numpy as np

from engine.bar_book import NewBars, grown
from engine.context_kernels import (
    INSTANTS,
    NOBODY,
    REFERENCE,
    SERIES,
    Floats,
    Ints,
    load_context_kernels,
)
from engine.context_settings import ContextSettings
from engine.saved import Saved, refilled

_SERIES_FIRST = 16
_DYNAMIC = ("count", "last_ts")
"""What a reset sets to zero; what else a series keeps is not looked at before it is new."""


class ContextBook:
    """The context of every bar of every series, by the slots of a bar book.

    `name_of(slot)` is the symbol and the interval of a slot of that book.
    """

    def __init__(
        self, settings: ContextSettings, name_of: Callable[[int], tuple[str, str]]
    ) -> None:
        kernels = load_context_kernels()
        self._take_bar, self._take_rows = kernels.take_bar, kernels.take_rows
        self._settings = settings
        self._name_of = name_of
        self._number_of = {symbol: n for n, symbol in enumerate(settings.references)}
        self._intervals: list[str] = []
        self._met = 0
        self._series = np.zeros(_SERIES_FIRST, dtype=SERIES)
        self._references = np.zeros(0, dtype=REFERENCE)
        self._instants = np.zeros(0, dtype=INSTANTS)

    def take(self, slot: int, ts: int, close: float, context: Floats) -> None:
        """Write the context of a bar that its book has just stored, then take the bar.

        `context` float64 (CONTEXT_SIZE,); its `utc_offset_seconds` is left as it is.
        """
        if slot >= self._met:
            self._meet(slot)
        self._take_bar(
            self._series,
            self._references,
            self._instants,
            self._settings.breadth,
            slot,
            ts,
            close,
            context,
        )

    def take_many(self, new: NewBars, contexts: Floats) -> None:
        """Do so for bars that their book has just stored, in order.

        `contexts` float64 (k, CONTEXT_SIZE), C-contiguous.
        """
        self.take_rows(new.slots, new.ts, new.values, contexts)

    def take_rows(self, slots: Ints, ts: Ints, values: Floats, contexts: Floats) -> None:
        """Do so for k bars in columns: `values` float64 (k, 5), open to volume.

        Raises ValueError where shapes differ, before any bar is taken.
        """
        count = len(slots)
        if not count:
            return
        if (len(ts), len(values), len(contexts)) != (count, count, count) or slots.min() < 0:
            raise ValueError(
                f"slots, ts, values and contexts must be of one length and slots not negative, "
                f"were {(count, len(ts), len(values), len(contexts))} long"
            )
        newest = int(slots.max())
        if newest >= self._met:
            self._meet(newest)
        self._take_rows(
            self._series,
            self._references,
            self._instants,
            self._settings.breadth,
            slots,
            ts,
            values,
            contexts,
        )

    def clear(self, slot: int) -> None:
        """Forget the bars of a series; it was counted in breadth, and is not counted twice."""
        if slot >= self._met:
            return
        for field in _DYNAMIC:
            self._series[field][slot] = 0
        number = int(self._series["reference"][slot])
        if number == NOBODY:
            return
        self._references["count"][number] = 0
        for role, closes in (("market", "market_closes"), ("sector", "sector_closes")):
            self._series[closes][self._series[role] == number] = np.nan

    def save(self) -> Saved:
        """Return all that is known."""
        arrays = {
            "series": self._series[: self._met],
            "references": self._references,
            "instants": self._instants,
        }
        return Saved({"intervals": self._intervals, "met": self._met}, arrays)

    def load(self, saved: Saved) -> None:
        """Go on from what `save` returned, of a book with the same settings."""
        self._intervals = list(saved.facts["intervals"])
        self._met = int(saved.facts["met"])
        self._series = refilled(self._series, saved.arrays["series"])
        self._references = refilled(self._references[:0], saved.arrays["references"])
        self._instants = refilled(self._instants[:0], saved.arrays["instants"])

    def _meet(self, slot: int) -> None:
        """Say of each new slot what it is held against, and whether others are held against it."""
        self._series = grown(self._series, slot + 1)
        for each in range(self._met, slot + 1):
            symbol, interval = self._name_of(each)
            if interval not in self._intervals:
                self._open(interval)
            number = self._intervals.index(interval)
            one = self._series[each]
            one["interval"] = number
            one["market"] = self._reference_of(self._settings.market, number)
            one["sector"] = self._reference_of(self._settings.sectors.get(symbol), number)
            one["reference"] = self._reference_of(symbol, number)
        self._met = slot + 1

    def _open(self, interval: str) -> None:
        self._intervals.append(interval)
        count = len(self._intervals)
        fresh = np.zeros(count * len(self._number_of), dtype=REFERENCE)
        fresh[: len(self._references)] = self._references
        self._references = fresh
        # One for each interval also where breadth is not asked for: nothing to look out for.
        instants = np.zeros(count, dtype=INSTANTS)
        instants[: len(self._instants)] = self._instants
        self._instants = instants

    def _reference_of(self, symbol: str | None, interval: int) -> int:
        number = None if symbol is None else self._number_of.get(symbol)
        return NOBODY if number is None else interval * len(self._number_of) + number


def context_book(
    settings: ContextSettings, name_of: Callable[[int], tuple[str, str]]
) -> ContextBook | None:
    """Return a new book, None where nothing is to be known of other symbols."""
    return None if settings.is_empty else ContextBook(settings, name_of)
