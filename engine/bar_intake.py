"""Which bars of the input count, for every role alike: valid, new, in order.

The scorer, which has the same bar book, sends the others to the dead letters; whoever else reads
INPUT passes over them in silence.
"""

import numpy as np

from engine.bar_book import BarBook, NewBars
from streams.columns import columns_of
from streams.errors import WireError
from streams.events import Bar, Bars

_ONLY_ROW = np.zeros(1, dtype=np.int64)


def take_bars(book: BarBook, event: Bar | Bars) -> NewBars | None:
    """Store the bars of `event` that count in `book` and return them; None where there are none.

    A frame goes in by one compiled call; a single bar is a frame of one row.
    """
    if isinstance(event, Bar):
        return _taken_alone(book, event)
    try:
        new = book.take(columns_of(event))
    except WireError:
        return None
    return new if len(new.rows) else None


def _taken_alone(book: BarBook, bar: Bar) -> NewBars | None:
    try:
        if not book.accept(bar):
            return None
    except WireError:
        return None
    slot = book.slot_of(bar.symbol, bar.interval)
    values = np.array(((bar.open, bar.high, bar.low, bar.close, bar.volume),))
    numbers = np.array((slot, bar.ts, book.place_of(slot)))
    return NewBars(_ONLY_ROW, numbers[:1], numbers[1:2], values, numbers[2:])
