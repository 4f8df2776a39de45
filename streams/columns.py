"""Columnar events to rows and back.

>>> bars = [Bar("A", "1d", 1, 1.0, 2.0, 1.0, 2.0, 10.0), Bar("B", "1d", 1, 3.0, 3.0, 3.0, 3.0, 0.0)]
>>> expand_bars(pack_bars(bars)) == bars
True
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.errors import WireError
from streams.events import Bar, Bars, Signal, Signals

FRAME_ROWS_MAX = 16_384
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_PRICES = ("open", "high", "low", "close", "volume")


class BarColumns(NamedTuple):
    """The rows of a frame: `ts` int64 (n,), `values` float64 (n, 5), open to volume, C-contiguous.

    One entry in `symbols` is one symbol's run; as many as rows are one instant across symbols.
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
        """Return rows `start` to `stop` of a run."""
        return self._replace(ts=self.ts[start:stop], values=self.values[start:stop])


def columns_of(frame: Bars) -> BarColumns:
    """Return the rows of a frame in columns. Raises WireError `columns` when lengths disagree."""
    ts = _column(frame.ts, "<i8", "ts")
    rows = len(ts)
    columns = [_column(getattr(frame, name), "<f8", name) for name in _PRICES]
    names = len(frame.symbols)
    lengths = {name: len(column) for name, column in zip(_PRICES, columns, strict=True)}
    _check_rows(rows, lengths | {"symbols": rows if names == 1 else names})
    values = np.empty((rows, len(_PRICES)))
    for place, column in enumerate(columns):
        values[:, place] = column
    return BarColumns(frame.symbols, frame.interval, ts.astype(np.int64), values)


def frame_of(columns: BarColumns) -> Bars:
    """Return the event that carries `columns`."""
    values = columns.values.T.astype("<f8", order="C")
    prices = {name: values[place].tobytes() for place, name in enumerate(_PRICES)}
    ts = columns.ts.astype("<i8", copy=False).tobytes()
    return Bars(symbols=columns.symbols, interval=columns.interval, ts=ts, **prices)


def pack_bars(bars: Sequence[Bar]) -> Bars:
    """Return `bars` as one frame.

    They must share an interval, and be one symbol's run or one instant across symbols;
    anything else raises ValueError.
    """
    if not bars:
        raise ValueError("a frame needs at least one bar, was given none")
    interval = bars[0].interval
    names = tuple(bar.symbol for bar in bars)
    is_run = len(set(names)) == 1
    if any(bar.interval != interval for bar in bars):
        raise ValueError("the bars of a frame must share one interval")
    if not is_run and any(bar.ts != bars[0].ts for bar in bars):
        raise ValueError("a frame is one symbol's run or one instant, was neither")
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


def pack_signals(signals: Sequence[Signal]) -> Signals:
    """Return signals of one strategy and interval, without features, in columns."""
    if not signals:
        raise ValueError("a frame needs at least one signal, was given none")
    first = signals[0]
    if any((s.strategy, s.interval) != (first.strategy, first.interval) for s in signals):
        raise ValueError("the signals of a frame must share strategy and interval")
    stops = [float("nan") if s.stop is None else s.stop for s in signals]
    return Signals(
        strategy=first.strategy,
        interval=first.interval,
        signal_ids=tuple(s.signal_id for s in signals),
        symbols=tuple(s.symbol for s in signals),
        ts=np.array([s.ts for s in signals], dtype="<i8").tobytes(),
        side=np.array([s.side for s in signals], dtype="i1").tobytes(),
        score=_float_bytes([s.score for s in signals]),
        price=_float_bytes([s.price for s in signals]),
        stop=_float_bytes(stops),
    )


def expand_signals(frame: Signals) -> list[Signal]:
    """Return the rows of a columnar signal event. Raises WireError `columns`."""
    ts = _column(frame.ts, "<i8", "ts").tolist()
    side = _column(frame.side, "i1", "side").tolist()
    score = _column(frame.score, "<f8", "score").tolist()
    price = _column(frame.price, "<f8", "price").tolist()
    stop = _column(frame.stop, "<f8", "stop").tolist()
    lengths = {"side": len(side), "score": len(score), "price": len(price), "stop": len(stop)}
    lengths |= {"signal_ids": len(frame.signal_ids), "symbols": len(frame.symbols)}
    _check_rows(len(ts), lengths)
    return [
        Signal(
            signal_id=frame.signal_ids[i],
            strategy=frame.strategy,
            symbol=frame.symbols[i],
            interval=frame.interval,
            ts=ts[i],
            side=side[i],
            score=score[i],
            price=price[i],
            stop=None if stop[i] != stop[i] else stop[i],
        )
        for i in range(len(ts))
    ]


def _float_bytes(values: list[float]) -> bytes:
    return np.array(values, dtype="<f8").tobytes()


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
