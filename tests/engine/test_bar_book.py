"""A series remembers its last bars: the same as a plain list would, in a fraction of the room."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bar_book import AS_OF_BARS_MAX, BarBook, Series
from streams.errors import WireError
from streams.events import Bar, Reset

steps = st.lists(st.integers(1, 4), min_size=1, max_size=3 * AS_OF_BARS_MAX)


def bar_at(ts: int, symbol: str = "A") -> Bar:
    return Bar(symbol, "1d", ts, 1.0 + ts, 3.0 + ts, 0.5 + ts, 2.0 + ts, float(ts))


def book_of(stamps: list[int]) -> tuple[BarBook, Series]:
    book = BarBook()
    assert all(book.accept(bar_at(ts)) for ts in stamps)
    series = book.series("A", "1d")
    assert series is not None
    return book, series


@given(steps, st.integers(-2, 14 * AS_OF_BARS_MAX))
def test_a_position_is_that_of_a_plain_list(gaps: list[int], asked: int):
    stamps = [sum(gaps[: n + 1]) for n in range(len(gaps))]
    _, series = book_of(stamps)
    kept = stamps[-AS_OF_BARS_MAX:]
    if asked in kept:
        assert series.position_of(asked) == stamps.index(asked) % AS_OF_BARS_MAX
    elif asked > stamps[-1]:
        assert series.position_of(asked) == Series.WAITS
    elif len(stamps) > AS_OF_BARS_MAX and asked < kept[0]:
        assert series.position_of(asked) == Series.TOO_LATE
    else:
        assert series.position_of(asked) == Series.NO_BAR


@given(steps, st.data())
def test_a_repeat_is_known_as_long_as_it_is_kept(gaps: list[int], data: st.DataObject):
    stamps = [sum(gaps[: n + 1]) for n in range(len(gaps))]
    book, _ = book_of(stamps)
    ts = data.draw(st.sampled_from(stamps[-AS_OF_BARS_MAX:]))
    assert book.accept(bar_at(ts)) is False
    with pytest.raises(WireError, match="correction"):
        book.accept(msgspec.structs.replace(bar_at(ts), volume=0.5))


def test_after_a_reset_history_may_be_told_again():
    book, series = book_of([1, 2, 3])
    book.reset(Reset("A", 3, "split"))
    assert series.position_of(2) == Series.WAITS
    assert book.accept(bar_at(1))
    assert series.position_of(1) == 0
    assert series.position_of(3) == Series.WAITS
