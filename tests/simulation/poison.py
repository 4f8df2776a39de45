"""What a publisher may put on the wire: events within their types, beyond all reason."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from streams import events
from tests.streams.wire import EVENT_TYPES, events_of

START_NS = 1_577_912_400_000_000_000
DAY_NS = 86_400_000_000_000
ROWS_MAX = 6

NAMES = st.sampled_from(
    [
        *("alpha", "breakout", "AAA", "ES 12-26", "BRK.B", "1d"),
        *("strategies", "scorer", "labeller"),
        *("_frame", "é\u2028", "\x00", "%2E", "*", ">", "x" * 256, "\U0001f4a5" * 256),
    ]
)
TIMES = st.one_of(
    st.integers(0, 40).map(lambda day: START_NS + day * DAY_NS),
    st.sampled_from((0, 1, -1, 2**63 - 1, -(2**63), START_NS + 1)),
)
FLOATS = st.one_of(
    st.sampled_from((100.0, 95.0, 1.0, 0.5, 0.0, -1.0, 5e-324, 1e-300, 1e17, 1e300, 1.7e308)),
    st.floats(),
)
STRATEGIES = st.one_of(st.sampled_from(("alpha", "breakout")), NAMES)
SYMBOLS = st.one_of(st.sampled_from(("AAA", "ES 12-26")), NAMES)
INTERVALS = st.one_of(st.just("1d"), NAMES)
PRICES = st.sampled_from((100.0, 101.0, 1e-300, 5e-324, 1e300, 1.7e308))


@st.composite
def honest_bars(draw: st.DrawFn) -> events.Bar:
    """Bars that pass, at prices from the smallest to the largest."""
    prices = sorted(draw(st.tuples(PRICES, PRICES, PRICES, PRICES)))
    low, open_, close, high = prices
    ts = START_NS + draw(st.integers(0, 40)) * DAY_NS
    volume = draw(st.sampled_from((0.0, 1.0, 1.7e308)))
    return events.Bar(draw(SYMBOLS), "1d", ts, open_, high, low, close, volume)


@st.composite
def honest_signals(draw: st.DrawFn) -> events.Signal:
    """Signals that pass: stops are where they belong, or there are none."""
    price = draw(PRICES | st.just(1e17))
    side = draw(st.sampled_from((1, -1)))
    stop = draw(st.sampled_from((None, price * (1.0 - side * 0.05))))
    usable = stop is None or (0.0 < stop < float("inf") and side * (price - stop) > 0.0)
    return events.Signal(
        draw(st.text(min_size=1, max_size=9)),
        draw(STRATEGIES),
        draw(SYMBOLS),
        "1d",
        START_NS + draw(st.integers(0, 40)) * DAY_NS,
        side,
        draw(st.sampled_from((0.0, 0.5, 1.0))),
        price,
        stop if usable else None,
        draw(st.dictionaries(st.sampled_from(("z", "other")), FLOATS, max_size=2)),
    )


def _column(draw: st.DrawFn, rows: int, dtype: str, values: st.SearchStrategy[Any]) -> bytes:
    rows += draw(st.sampled_from((0, 0, 0, 0, 0, 0, 0, 1)))
    column = draw(st.lists(values, min_size=rows, max_size=rows))
    return np.array(column, dtype=dtype).tobytes() + draw(st.sampled_from((b"",) * 9 + (b"\x00",)))


@st.composite
def frames(draw: st.DrawFn) -> events.Bars:
    """Frames of bars, whose columns mostly agree."""
    rows = draw(st.integers(0, ROWS_MAX))
    names = draw(st.lists(SYMBOLS, min_size=rows, max_size=rows))
    columns = [_column(draw, rows, "<f8", PRICES | FLOATS) for _ in range(5)]
    ts = _column(draw, rows, "<i8", TIMES)
    return events.Bars(tuple(names), draw(INTERVALS), ts, *columns)


@st.composite
def signal_frames(draw: st.DrawFn) -> events.Signals:
    """Signals in columns, whose columns mostly agree."""
    rows = draw(st.integers(0, ROWS_MAX))
    ids = draw(st.lists(st.text(min_size=1, max_size=5), min_size=rows, max_size=rows))
    symbols = draw(st.lists(SYMBOLS, min_size=rows, max_size=rows))
    ts, side = _column(draw, rows, "<i8", TIMES), _column(draw, rows, "i1", st.integers(-2, 2))
    floats = [_column(draw, rows, "<f8", PRICES | FLOATS) for _ in range(3)]
    return events.Signals(
        draw(STRATEGIES), draw(INTERVALS), tuple(ids), tuple(symbols), ts, side, *floats
    )


INT64 = st.integers(-(2**63), 2**63 - 1)


def answers() -> st.SearchStrategy[events.Scored]:
    """Answers of a scorer, honest in what they name and in nothing else."""
    return st.builds(
        events.Scored,
        signal_id=st.text(min_size=1, max_size=9),
        strategy=STRATEGIES,
        symbol=SYMBOLS,
        interval=st.just("1d"),
        ts=TIMES,
        side=st.sampled_from((1, -1)),
        price=PRICES | FLOATS,
        stop=st.none() | PRICES | FLOATS,
        probability=st.none() | FLOATS,
        reasons=st.sampled_from(((), ("no_bar",), ("invalid:x",))),
    )


def trades() -> st.SearchStrategy[events.Trade]:
    """Trades whose prices and quantities are the smallest and largest there are."""
    sizes = st.sampled_from((5e-324, 1e-300, 1.0, 1.7e308)) | FLOATS
    return st.builds(
        events.Trade,
        signal_id=st.sampled_from(("s", "\x00 x")) | st.text(min_size=1, max_size=3),
        entry_ts=TIMES,
        exit_ts=TIMES,
        entry_price=sizes,
        exit_price=sizes,
        quantity=sizes,
        pnl_net=FLOATS,
    )


ANY_EVENT = st.one_of(
    honest_bars(),
    honest_bars(),
    honest_signals(),
    frames(),
    signal_frames(),
    answers(),
    trades(),
    st.builds(events.Reset, symbol=SYMBOLS, ts=TIMES),
    st.builds(events.Expire, strategy=STRATEGIES, symbol=SYMBOLS),
    st.builds(events.Policy, strategy=STRATEGIES, effective_ts=TIMES),
    st.builds(
        events.Progress,
        role=NAMES,
        shard=st.integers(-1, 2),
        event_ts=TIMES,
        seq=INT64,
        shards=st.integers(-1, 3) | INT64,
        input_seq=INT64,
    ),
    *map(events_of, EVENT_TYPES),
)
