"""Columnar events to rows and back.

>>> bars = [Bar("A", "1d", 1, 1.0, 2.0, 1.0, 2.0, 10.0), Bar("B", "1d", 1, 3.0, 3.0, 3.0, 3.0, 0.0)]
>>> expand_bars(pack_bars(bars)) == bars
True
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.codec import PAYLOAD_BYTES_MAX
from streams.errors import WireError
from streams.events import TEXT_MAX, Bar, Bars, Signal, Signals

FRAME_ROWS_MAX = 16_384
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BYTES = 8
_PRICES = ("open", "high", "low", "close", "volume")
_SIGNAL_NUMBERS = (("side", "i1"), ("score", "<f8"), ("price", "<f8"), ("stop", "<f8"))

# JSON of a signal's row: 33 bytes of numbers in base64; a control character takes six bytes.
_NUMBERS_JSON_BYTES = 44
_TEXT_JSON_BYTES = 6 * TEXT_MAX + 3
_HEAD_JSON_BYTES = 4 * _TEXT_JSON_BYTES
_ROWS_SAFE = (PAYLOAD_BYTES_MAX - _HEAD_JSON_BYTES) // (2 * _TEXT_JSON_BYTES + _NUMBERS_JSON_BYTES)


class BarColumns(NamedTuple):
    """The rows of a frame: `ts` int64 (n,), `values` float64 (n, 5), open to volume, C-contiguous.

    One entry in `symbols` is one symbol's run; as many as rows name each row's, by ts.
    """

    symbols: tuple[str, ...]
    interval: str
    ts: Ints
    values: Floats

    @property
    def is_run(self) -> bool:
        """Whether all rows are of one symbol."""
        return len(self.symbols) == 1

    def symbol_of(self, row: int) -> str:
        """Return the symbol of a row."""
        return self.symbols[0] if self.is_run else self.symbols[row]

    def bar(self, row: int) -> Bar:
        """Return one row as a bar."""
        values = self.values[row].tolist()
        return Bar(self.symbol_of(row), self.interval, int(self.ts[row]), *values)

    def part(self, start: int, stop: int) -> "BarColumns":
        """Return rows `start` to `stop`, at least one."""
        symbols = self.symbols if self.is_run else self.symbols[start:stop]
        return BarColumns(symbols, self.interval, self.ts[start:stop], self.values[start:stop])


def columns_of(frame: Bars) -> BarColumns:
    """Return the rows of a frame in columns. Raises WireError `columns` when lengths disagree."""
    columns = (frame.open, frame.high, frame.low, frame.close, frame.volume)
    width, names = len(frame.ts), len(frame.symbols)
    rows = width // _BYTES
    are_equal = set(map(len, columns)) == {width} and names in (1, rows)
    if not (are_equal and width == rows * _BYTES and 0 < rows <= FRAME_ROWS_MAX):
        _check_columns(frame)
    # One copy of all columns, turned: a row's values lie side by side.
    values = np.frombuffer(b"".join(columns), "<f8").reshape(len(columns), rows).T.copy()
    ts = np.frombuffer(frame.ts, "<i8").astype(np.int64)
    return BarColumns(frame.symbols, frame.interval, ts, values)


def frame_of(columns: BarColumns) -> Bars:
    """Return the event that carries `columns`."""
    values = columns.values.T.astype("<f8", order="C")
    prices = {name: values[place].tobytes() for place, name in enumerate(_PRICES)}
    ts = columns.ts.astype("<i8", copy=False).tobytes()
    return Bars(symbols=columns.symbols, interval=columns.interval, ts=ts, **prices)


def pack_bars(bars: Sequence[Bar]) -> Bars:
    """Return `bars` as one frame.

    They must share an interval, or ValueError is raised; time order is the publisher's to keep.
    """
    if not bars:
        raise ValueError("a frame needs at least one bar, was given none")
    interval = bars[0].interval
    names = tuple(bar.symbol for bar in bars)
    is_run = len(set(names)) == 1
    if any(bar.interval != interval for bar in bars):
        raise ValueError("the bars of a frame must share one interval")
    values = np.array([(b.open, b.high, b.low, b.close, b.volume) for b in bars], dtype=np.float64)
    ts = np.array([bar.ts for bar in bars], dtype=np.int64)
    return frame_of(BarColumns(names[:1] if is_run else names, interval, ts, values))


def expand_bars(frame: Bars) -> list[Bar]:
    """Return the rows of a frame. Raises WireError `columns` when lengths disagree."""
    columns = columns_of(frame)
    names = columns.symbols * len(columns.ts) if columns.is_run else columns.symbols
    return [
        Bar(name, columns.interval, ts, *values)
        for name, ts, values in zip(
            names, columns.ts.tolist(), columns.values.tolist(), strict=True
        )
    ]


class SignalColumns(NamedTuple):
    """Signals of one strategy and interval, without features; n rows.

    `ts` int64 (n,), `side` 1 or -1 of any number type, `score`, `price` and `stop` float64 (n,);
    a NaN stop is none.
    """

    strategy: str
    interval: str
    signal_ids: tuple[str, ...]
    symbols: tuple[str, ...]
    ts: Ints
    side: NDArray[np.generic]
    score: Floats
    price: Floats
    stop: Floats

    def part(self, start: int, stop: int) -> "SignalColumns":
        """Return rows `start` to `stop`."""
        return SignalColumns(
            self.strategy,
            self.interval,
            self.signal_ids[start:stop],
            self.symbols[start:stop],
            self.ts[start:stop],
            self.side[start:stop],
            self.score[start:stop],
            self.price[start:stop],
            self.stop[start:stop],
        )


def signal_frames(columns: SignalColumns) -> list[Signals]:
    """Return the events that carry `columns`, in order; two rows or more stay two or more.

    One event, unless that were more than FRAME_ROWS_MAX rows or, in one of the encodings, than
    PAYLOAD_BYTES_MAX bytes.
    """
    rows = len(columns.ts)
    if rows <= FRAME_ROWS_MAX and (rows <= _ROWS_SAFE or _json_bytes(columns) < PAYLOAD_BYTES_MAX):
        return [_signals_of(columns)]
    half = rows // 2
    return signal_frames(columns.part(0, half)) + signal_frames(columns.part(half, rows))


def pack_signals(signals: Sequence[Signal]) -> Signals:
    """Return signals of one strategy and interval, without features, in columns."""
    if not signals:
        raise ValueError("a frame needs at least one signal, was given none")
    first = signals[0]
    if any((s.strategy, s.interval) != (first.strategy, first.interval) for s in signals):
        raise ValueError("the signals of a frame must share strategy and interval")
    columns = SignalColumns(
        strategy=first.strategy,
        interval=first.interval,
        signal_ids=tuple(s.signal_id for s in signals),
        symbols=tuple(s.symbol for s in signals),
        ts=np.array([s.ts for s in signals], dtype=np.int64),
        side=np.array([s.side for s in signals], dtype=np.int8),
        score=np.array([s.score for s in signals], dtype=np.float64),
        price=np.array([s.price for s in signals], dtype=np.float64),
        # None becomes NaN.
        stop=np.array([s.stop for s in signals], dtype=np.float64),
    )
    return _signals_of(columns)


def expand_signals(frame: Signals) -> list[Signal]:
    """Return the rows of a columnar signal event. Raises WireError `columns`."""
    ts = _column(frame.ts, "<i8", "ts")
    numbers = {name: _column(getattr(frame, name), dtype, name) for name, dtype in _SIGNAL_NUMBERS}
    lengths = {name: len(column) for name, column in numbers.items()}
    lengths |= {"signal_ids": len(frame.signal_ids), "symbols": len(frame.symbols)}
    _check_rows(len(ts), lengths)
    strategy, interval = frame.strategy, frame.interval
    values = (column.tolist() for column in (ts, *numbers.values()))
    return [
        Signal(
            signal_id,
            strategy,
            symbol,
            interval,
            at,
            side,
            score,
            price,
            None if stop != stop else stop,
        )
        for signal_id, symbol, at, side, score, price, stop in zip(
            frame.signal_ids, frame.symbols, *values, strict=True
        )
    ]


def _signals_of(columns: SignalColumns) -> Signals:
    numbers = {
        name: getattr(columns, name).astype(dtype).tobytes() for name, dtype in _SIGNAL_NUMBERS
    }
    return Signals(
        strategy=columns.strategy,
        interval=columns.interval,
        signal_ids=columns.signal_ids,
        symbols=columns.symbols,
        ts=columns.ts.astype("<i8").tobytes(),
        **numbers,
    )


def _json_bytes(columns: SignalColumns) -> int:
    """The most bytes that the event takes: names in JSON, numbers in base64, room for the rest."""
    names = msgspec.json.encode((columns.signal_ids, columns.symbols))
    return len(names) + _NUMBERS_JSON_BYTES * len(columns.ts) + _HEAD_JSON_BYTES


def _check_columns(frame: Bars) -> None:
    """Raise WireError `columns` that says which column does not fit."""
    rows = len(_column(frame.ts, "<i8", "ts"))
    lengths = {name: len(_column(getattr(frame, name), "<f8", name)) for name in _PRICES}
    names = len(frame.symbols)
    _check_rows(rows, lengths | {"symbols": rows if names == 1 else names})


def _column(data: bytes, dtype: str, name: str) -> NDArray[np.generic]:
    width = np.dtype(dtype).itemsize
    if len(data) % width:
        raise WireError(
            "columns", f"column {name} has {len(data)} bytes, not a multiple of {width}"
        )
    return np.frombuffer(data, dtype=dtype)


def _check_rows(rows: int, lengths: dict[str, int]) -> None:
    if not 0 < rows <= FRAME_ROWS_MAX:
        raise WireError("columns", f"a frame has 1 to {FRAME_ROWS_MAX} rows, this one has {rows}")
    for name, length in lengths.items():
        if length != rows:
            raise WireError("columns", f"column {name} has {length} rows, ts has {rows}")
