"""Columnar events: rows in, the same rows out, and what does not fit is told."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codec import PAYLOAD_BYTES_MAX, decode, encode
from streams.columns import (
    FRAME_ROWS_MAX,
    SignalColumns,
    columns_of,
    expand_bars,
    expand_signals,
    frame_of,
    pack_bars,
    pack_signals,
    signal_frames,
)
from streams.errors import WireError
from streams.events import Bar, Signal

NAMES = st.text(min_size=1, max_size=8)
TIMES = st.integers(1, 2**63 - 1)
NUMBERS = st.floats(allow_nan=False)
PRICES = st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
ROW = Bar("A", "1d", 1, 1.0, 2.0, 1.0, 2.0, 5.0)
SIGNAL = Signal("i", "s", "A", "1d", 1, 1, 0.5, 10.0)


@given(NAMES, st.lists(st.tuples(TIMES, PRICES), min_size=1, max_size=20))
def test_one_symbols_run_comes_back(symbol: str, rows: list[tuple[int, tuple[float, ...]]]):
    bars = [Bar(symbol, "1h", ts, *prices) for ts, prices in rows]
    assert expand_bars(pack_bars(bars)) == bars


@given(TIMES, st.dictionaries(NAMES, PRICES, min_size=1, max_size=20))
def test_one_instant_across_symbols_comes_back(ts: int, rows: dict[str, tuple[float, ...]]):
    bars = [Bar(symbol, "1d", ts, *prices) for symbol, prices in rows.items()]
    frame = pack_bars(bars)
    for encoding in ("json", "msgpack"):
        assert expand_bars(decode(encode(frame, encoding))) == bars


@given(
    st.lists(
        st.tuples(
            NAMES, NAMES, TIMES, st.sampled_from([1, -1]), NUMBERS, NUMBERS, NUMBERS | st.none()
        ),
        min_size=1,
        max_size=20,
    )
)
def test_signals_in_columns_come_back(rows: list[tuple[str, str, int, int, float, float, float]]):
    signals = [
        Signal(signal_id, "s", symbol, "1d", ts, side, score, price, stop)
        for signal_id, symbol, ts, side, score, price, stop in rows
    ]
    assert expand_signals(pack_signals(signals)) == signals


@pytest.mark.parametrize("symbols", ["A" * 7, "ABCABCA", "AABBBBB"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 9])
def test_a_frame_can_be_cut_anywhere(symbols: str, size: int):
    bars = [msgspec.structs.replace(ROW, symbol=name, ts=ts) for ts, name in enumerate(symbols, 1)]
    columns = columns_of(pack_bars(bars))
    parts = [columns.part(start, start + size) for start in range(0, len(bars), size)]
    assert [bar for part in parts for bar in expand_bars(frame_of(part))] == bars


def test_what_does_not_belong_together_cannot_be_packed():
    other = msgspec.structs.replace
    for rows, text in (
        ([], "at least one bar"),
        ([ROW, other(ROW, interval="1h")], "share one interval"),
    ):
        with pytest.raises(ValueError, match=text):
            pack_bars(rows)
    with pytest.raises(ValueError, match="at least one signal"):
        pack_signals([])
    with pytest.raises(ValueError, match="share strategy"):
        pack_signals([SIGNAL, other(SIGNAL, strategy="other")])


@pytest.mark.parametrize(
    "change",
    [
        {"ts": b""},
        {"ts": bytes(7)},
        {"ts": bytes(16)},
        {"close": bytes(16)},
        {"volume": b""},
        {"symbols": ()},
        {"symbols": ("A", "B")},
    ],
)
def test_columns_of_unequal_length_are_refused(change: dict[str, object]):
    frame = msgspec.structs.replace(pack_bars([ROW]), **change)
    with pytest.raises(WireError) as caught:
        expand_bars(frame)
    assert caught.value.reason == "columns"


@pytest.mark.parametrize(
    "change", [{"side": b""}, {"stop": bytes(7)}, {"signal_ids": ("a", "b")}, {"symbols": ()}]
)
def test_signal_columns_of_unequal_length_are_refused(change: dict[str, object]):
    frame = msgspec.structs.replace(pack_signals([SIGNAL]), **change)
    with pytest.raises(WireError) as caught:
        expand_signals(frame)
    assert caught.value.reason == "columns"


def test_a_frame_has_a_bound():
    rows = [msgspec.structs.replace(ROW, ts=ts) for ts in range(1, FRAME_ROWS_MAX + 2)]
    assert len(expand_bars(pack_bars(rows[:-1]))) == FRAME_ROWS_MAX
    with pytest.raises(WireError, match=f"1 to {FRAME_ROWS_MAX} rows"):
        expand_bars(pack_bars(rows))


def test_numbers_that_are_none_survive_for_the_validator_to_see():
    [bar] = expand_bars(pack_bars([msgspec.structs.replace(ROW, close=math.nan)]))
    assert math.isnan(bar.close)


def signals_of_length(rows: int, symbol: str, signal_id: str) -> SignalColumns:
    numbers = np.linspace(0.0, 1.0, rows)
    return SignalColumns(
        strategy="s",
        interval="1d",
        signal_ids=tuple(f"{signal_id}{row}" for row in range(rows)),
        symbols=(symbol,) * rows,
        ts=np.arange(1, rows + 1),
        side=np.where(numbers > 0.5, 1.0, -1.0),
        score=numbers,
        price=1.0 + numbers,
        stop=np.where(numbers > 0.3, 0.5, np.nan),
    )


@pytest.mark.parametrize(
    ("rows", "symbol", "signal_id", "events"),
    [
        (2, "A", "i", 1),
        (FRAME_ROWS_MAX, "A", "i", 1),
        (FRAME_ROWS_MAX + 1, "A", "i", 2),
        (1_001, "\x01" * 256, "\x01" * 250, 4),
        (1_001, "\N{CUBE ROOT}" * 256, "i", 1),
    ],
)
def test_signals_in_columns_are_as_few_messages_as_fit(rows, symbol, signal_id, events):
    columns = signals_of_length(rows, symbol, signal_id)
    frames = signal_frames(columns)
    assert len(frames) == events
    for frame in frames:
        for encoding in ("json", "msgpack"):
            assert len(encode(frame, encoding)) <= PAYLOAD_BYTES_MAX
    expanded = [signal for frame in frames for signal in expand_signals(frame)]
    assert [s.signal_id for s in expanded] == list(columns.signal_ids)
    assert [s.ts for s in expanded] == columns.ts.tolist()
    assert [s.side for s in expanded] == columns.side.tolist()
    assert [s.stop or 0.0 for s in expanded] == np.nan_to_num(columns.stop).tolist()
