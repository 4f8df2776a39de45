"""Which bars of the input count, for every role alike: valid, new, in order.

The scorer, which has the same bar book, sends the others to the dead letters; whoever else reads
INPUT passes over them in silence.
"""

from collections.abc import Iterator

from engine.bar_book import BarBook
from streams.columns import expand_bars
from streams.errors import WireError
from streams.events import Bar, Bars
from streams.validation import check_bar


def new_bars(book: BarBook, event: Bar | Bars) -> Iterator[Bar]:
    """Yield the bars of `event` that are valid and new to `book`, after storing each in it."""
    try:
        bars = [event] if isinstance(event, Bar) else expand_bars(event)
    except WireError:
        return
    for bar in bars:
        if _is_new(book, bar):
            yield bar


def _is_new(book: BarBook, bar: Bar) -> bool:
    try:
        check_bar(bar)
        return book.accept(bar)
    except WireError:
        return False
