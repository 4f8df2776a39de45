"""A series remembers its last bars, as a plain list would; a frame counts as its rows would."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import bar_book
from engine.bar_book import AS_OF_BARS_MAX, NO_BAR, TOO_LATE, WAITS, BarBook
from engine.bar_intake import take_bars
from streams.columns import BarColumns
from streams.errors import WireError
from streams.events import Bar, Bars, Reset

steps = st.lists(st.integers(1, 4), min_size=1, max_size=3 * AS_OF_BARS_MAX)


def bar_at(ts: int, symbol: str = "A") -> Bar:
    return Bar(symbol, "1d", ts, 1.0 + ts, 3.0 + ts, 0.5 + ts, 2.0 + ts, float(ts))


def book_of(stamps: list[int]) -> BarBook:
    book = BarBook()
    assert all(book.accept(bar_at(ts)) for ts in stamps)
    return book


def columns(rows: list[Bar]) -> BarColumns:
    names = tuple(bar.symbol for bar in rows)
    values = [(b.open, b.high, b.low, b.close, b.volume) for b in rows]
    symbols = names[:1] if len(set(names)) == 1 else names
    return BarColumns(symbols, "1d", np.array([b.ts for b in rows]), np.array(values))


@given(steps, st.integers(-2, 14 * AS_OF_BARS_MAX))
def test_a_position_is_that_of_a_plain_list(gaps: list[int], asked: int):
    stamps = [sum(gaps[: n + 1]) for n in range(len(gaps))]
    book = book_of(stamps)
    kept = stamps[-AS_OF_BARS_MAX:]
    position = book.position_of(0, asked)
    if asked in kept:
        assert position == stamps.index(asked) % AS_OF_BARS_MAX
    elif asked > stamps[-1]:
        assert position == WAITS
    elif len(stamps) > AS_OF_BARS_MAX and asked < kept[0]:
        assert position == TOO_LATE
    else:
        assert position == NO_BAR


@given(steps, st.data())
def test_a_repeat_is_known_as_long_as_it_is_kept(gaps: list[int], data: st.DataObject):
    stamps = [sum(gaps[: n + 1]) for n in range(len(gaps))]
    book = book_of(stamps)
    ts = data.draw(st.sampled_from(stamps[-AS_OF_BARS_MAX:]))
    assert book.accept(bar_at(ts)) is False
    with pytest.raises(WireError, match="correction"):
        book.accept(msgspec.structs.replace(bar_at(ts), volume=0.5))


def test_after_a_reset_history_may_be_told_again():
    book = book_of([1, 2, 3])
    assert book.reset(Reset("A", 3, "split")) == [0]
    assert book.position_of(0, 2) == WAITS
    assert book.accept(bar_at(1))
    assert book.position_of(0, 1) == 0
    assert book.position_of(0, 3) == WAITS


def test_a_series_without_a_bar_waits():
    assert BarBook().slot_of("A", "1d") == -1
    assert BarBook().position_of(-1, 5) == WAITS


odd_bars = st.builds(
    lambda ts, symbol, change: msgspec.structs.replace(bar_at(ts, symbol), **change),
    st.integers(-1, 12),
    st.sampled_from("AB"),
    st.sampled_from(
        [{}, {}, {}, {"volume": 0.25}, {"high": 0.1}, {"low": float("nan")}, {"close": -1.0}]
    ),
)


@given(st.lists(st.lists(odd_bars, min_size=1, max_size=12), min_size=1, max_size=4))
def test_a_frame_counts_as_its_rows_one_by_one(frames: list[list[Bar]]):
    by_frame, by_row = BarBook(), BarBook()
    for rows in frames:
        new = by_frame.take(columns(rows))
        counted, refused = [], []
        for number, bar in enumerate(rows):
            try:
                if by_row.accept(bar):
                    counted.append(number)
            except WireError as error:
                refused.append((number, str(error)))
        assert new.rows.tolist() == counted
        assert [(row, str(error)) for row, error in new.refused] == refused
        for row, slot, ts, place, values in zip(
            new.rows, new.slots, new.ts, new.places, new.values, strict=True
        ):
            bar = rows[row]
            assert by_frame.name_of(int(slot)) == (bar.symbol, "1d")
            assert ts == bar.ts
            assert values.tolist() == [bar.open, bar.high, bar.low, bar.close, bar.volume]
            assert place - slot * AS_OF_BARS_MAX == by_frame.position_of(int(slot), bar.ts)
        for symbol in "AB":
            a, b = (book.slot_of(symbol, "1d") for book in (by_frame, by_row))
            for ts in range(-1, 13):
                assert by_frame.position_of(a, ts) == by_row.position_of(b, ts) or a * b < 0
    assert by_frame.newest_ts == by_row.newest_ts


def test_an_event_that_begins_beyond_all_that_is_known_completes_it():
    book = BarBook()
    book.take(columns([bar_at(ts, "A") for ts in (1, 2, 5)]))
    book.take(columns([bar_at(ts, "B") for ts in (1, 4)]))
    assert (book.complete_ts, book.newest_ts) == (0, 5)
    book.take(columns([bar_at(ts, "B") for ts in (6, 7)]))
    assert (book.complete_ts, book.newest_ts) == (5, 7)
    book.accept(bar_at(6, "A"))
    assert (book.complete_ts, book.newest_ts) == (5, 7)


def test_too_many_series_are_refused_row_by_row(monkeypatch):
    monkeypatch.setattr(bar_book, "SERIES_MAX", 1)
    book = BarBook()
    new = book.take(columns([bar_at(1, "A"), bar_at(1, "B")]))
    assert new.rows.tolist() == [0]
    ((row, error),) = new.refused
    assert (row, error.reason) == (1, "series_limit")
    with pytest.raises(WireError, match="series_limit"):
        book.accept(bar_at(1, "C"))


def test_what_is_no_frame_has_no_bars():
    whole = bytes(8)
    assert take_bars(BarBook(), Bars(("A",), "1d", whole, whole, whole, whole, b"1", whole)) is None
    assert take_bars(BarBook(), bar_at(0)) is None
